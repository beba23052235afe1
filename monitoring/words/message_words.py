"""The words around the findings in a message about an incident."""

from collections.abc import Mapping

from insurance_predictor.base.words import Text
from monitoring.domain.incidents import Event

HEADERS: Mapping[Event, Text] = {
    "opened": Text("🔴 {kind}: incidente aberto", "🔴 {kind}: incident opened"),
    "reopened": Text("🔴 {kind}: o incidente voltou", "🔴 {kind}: the incident is back"),
    "updated": Text("🟠 {kind}: o incidente mudou", "🟠 {kind}: the incident has changed"),
    "resolved": Text("🟢 {kind}: incidente resolvido", "🟢 {kind}: incident resolved"),
}
SUMMARY = Text("{header} – {first}", "{header} – {first}")
SUMMARY_MORE = Text("{header} – {first} (e mais {more})", "{header} – {first} (and {more} more)")
FACTS = Text(
    "{model}, versão {version} · desde {since}", "{model}, version {version} · since {since}"
)
WINDOW = Text(
    "Janela de {start} a {end} · {rows} cotações, {outcomes} com resultado real",
    "Window from {start} to {end} · {rows} quotes, {outcomes} with a known outcome",
)
NO_REGISTRY = Text(
    "O monitoramento não pôde consultar o registro de modelos: julgou-se pela última versão boa e "
    "pelo registro de previsões. Motivo: {why}",
    "Monitoring could not ask the model registry: this was judged by the last good version and "
    "the prediction log. Why: {why}",
)
NO_REGISTRY_HEADER = Text(
    "🟠 O monitoramento não viu tudo", "🟠 Monitoring could not see everything"
)
NOT_ASSESSED_HEADER = Text("🔴 O monitoramento não terminou", "🔴 Monitoring did not finish")
NOT_ASSESSED = Text(
    "{model}: a execução parou no meio, e ninguém sabe se algo mudou. Cada execução avisa de novo "
    "enquanto durar. Motivo: {why}",
    "{model}: this run stopped half-way, and nobody knows whether anything has changed. Each run "
    "says so again while this lasts. Why: {why}",
)
NEW = Text("{title} (novidade)", "{title} (new)")
EARLIER = Text(
    "{name}: nesta janela não há dados para dizer se acabou",
    "{name}: this window has too little data to say whether it is over",
)
MONEY = Text("Efeito: {money}.", "Effect: {money}.")
NEXT = Text("O que fazer: {step}", "What to do: {step}")
HOW = Text("Como investigar", "How to investigate")
MORE = Text("E mais {more}, no relatório.", "And {more} more, in the report.")
OVER = Text("Já não: {names}.", "No longer: {names}.")
ALL_OVER = Text(
    "Nada disto está mais em alarme: {names}. O incidente durou {time}.",
    "None of this is in alarm any more: {names}. The incident lasted {time}.",
)
REPLACED = Text(
    "A versão {version} entrou em produção: o incidente era da versão {old} ({names}). A nova "
    "começa do zero.",
    "Version {version} is in production now: the incident was of version {old} ({names}). The "
    "new one starts afresh.",
)
ABANDONED = Text(
    "Ninguém mais avalia janelas de {schedule}: não se sabe se ainda é verdade ({names}).",
    "Nobody looks at windows of {schedule} any more, so nobody knows if it still holds ({names}).",
)
REPORT = Text("Relatório", "Report")
TEST_HEADER = Text("🔵 Mensagem de teste", "🔵 Test message")
TEST = Text(
    "Se você lê isto, os alertas de {model} chegam aqui. Não há nada a fazer.",
    "If you can read this, the alerts of {model} arrive here. There is nothing to do.",
)
MOVE_HEADER = Text("🔵 Outra versão em produção", "🔵 Another version in production")
BACK_HEADER = Text("🔵 De volta à versão anterior", "🔵 Back to the version before")
MOVE = Text(
    "{model}: a versão {after} atende no lugar da {before}. Quem decidiu: {who}. Por quê: {why}",
    "{model}: version {after} serves instead of {before}. Decided by {who}. Why: {why}",
)
FIRST_MOVE = Text(
    "{model}: a versão {after} atende. Quem decidiu: {who}. Por quê: {why}",
    "{model}: version {after} serves. Decided by {who}. Why: {why}",
)
NOT_ARRIVED = Text(
    "A mensagem “{title}”, de {time}, não chegou nem será reenviada.",
    "The message “{title}” of {time} did not arrive and will not be sent again.",
)
NO_REPORT = Text(
    "O relatório da mensagem “{title}”, de {time}, não pôde ser anexado.",
    "The report of the message “{title}” of {time} could not be attached.",
)
MORE_LOST = Text("E mais {more} que não chegaram.", "And {more} more that did not arrive.")
WHY_LOST = Text(
    "O motivo está na execução que desistiu e na tabela outbox.",
    "Why is said by the run that gave up and in the table outbox.",
)
THREAD_GONE = Text(
    "A conversa deste incidente não existe mais; ele continua aqui.",
    "This incident's thread is not there any more; it goes on here.",
)
