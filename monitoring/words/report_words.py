"""The words of report, dashboard and messages beside the verdicts' own, in both languages."""

from collections.abc import Mapping

from insurance_predictor.base.words import Text
from monitoring.domain.assessment import Kind

KINDS: Mapping[Kind, Text] = {
    "schema": Text("Dados fora do esquema", "Data outside the schema"),
    "drift": Text("Desvio nos dados", "Data drift"),
    "performance": Text("Desempenho do modelo", "Model performance"),
    "service": Text("Serviço", "Service"),
}
STATUSES: Mapping[str, Text] = {
    "quiet": Text("tranquilo", "quiet"),
    "alarm": Text("alarme", "alarm"),
    "unknown": Text("indefinido", "undecided"),
}

# The top
PAGE = Text("Monitoramento de {model}", "Monitoring of {model}")
ABOUT = Text("Versão {version} · {start} a {end}", "Version {version} · {start} to {end}")
ABOUT_PORTFOLIO = Text(
    "Carteira calculada pela versão {version} · {portfolio}",
    "Portfolio scored by version {version} · {portfolio}",
)
QUIET = Text(
    "Tudo tranquilo: as cotações se parecem com o treino",
    "All quiet: the quotes look like the training",
)
MANY_ALARMS = Text(
    "{count} alarmes; o que mais pesa: {title}", "{count} alarms; what weighs most: {title}"
)
UNDECIDED = Text(
    "Dados insuficientes para julgar: faltam {missing} cotações",
    "Not enough data to judge: {missing} more quotes are needed",
)
EMPTY = Text("Nenhuma cotação nesta janela", "No quotes in this window")
QUOTES = Text("cotações", "quotes")
WITH_OUTCOME = Text("com resultado real", "with a known outcome")
AVERAGE_PREMIUM = Text("prêmio médio ({unit})", "average premium ({unit})")
OPEN_INCIDENTS = Text("incidentes abertos", "open incidents")

# Findings
FINDINGS = Text("O que merece atenção", "What deserves attention")
NO_FINDINGS = Text(
    "Nenhum alarme. O que esta janela não teria visto está em “Poder” mais abaixo.",
    "No alarm. What this window could not have seen is below, under “Power”.",
)
NO_PRICE = Text("sem preço conhecido", "no known price")
NEXT = Text("O que fazer", "What to do")
RUNBOOK = Text("Roteiro", "Runbook")
SINCE = Text(
    "{kind}: aberto desde {opened}, versão {version}",
    "{kind}: open since {opened}, version {version}",
)

# Features
FEATURES = Text("Atributo por atributo", "Feature by feature")
FEATURES_NOTE = Text(
    "Cinza é a referência, as pessoas com que a versão {version} foi treinada; azul é esta "
    "janela, laranja onde há alarme.",
    "Grey is the reference, the people version {version} was trained on; blue is this window, "
    "orange where there is an alarm.",
)
REFERENCE = Text("referência", "reference")
WINDOW = Text("janela", "window")
NO_PICTURES = Text(
    "Sem cotações não há o que comparar.", "Without quotes there is nothing to compare."
)

# Performance
PERFORMANCE = Text("Desempenho", "Performance")
NO_OUTCOMES = Text(
    "Ainda não se sabe quanto foi cobrado destas pessoas; até lá vale a estimativa.",
    "What these people were charged is not known yet; until then there is the estimate.",
)
ESTIMATE = Text(
    "Erro esperado (RMSE) para esta composição de pessoas: {value}, entre {low} e {high}.",
    "Expected error (RMSE) for this mix of people: {value}, between {low} and {high}.",
)
RECONCILED = Text(
    "O erro real foi {actual}: {where} da faixa estimada.",
    "The actual error was {actual}: {where} the estimated band.",
)
INSIDE = Text("dentro", "inside")
ABOVE = Text("acima", "above")
BELOW = Text("abaixo", "below")
BAND = Text("entre {low} e {high}", "between {low} and {high}")
EXPECTED = Text("o traço é o esperado: {reference}", "the mark is what was expected: {reference}")

# Tables
VERDICTS = Text("Todos os vereditos", "Every verdict")
CHECK = Text("Verificação", "Check")
VERDICT = Text("Veredito", "Verdict")
VALUE = Text("Valor", "Value")
P_VALUE = Text("valor p", "p-value")
LIMIT = Text("Limite", "Limit")
PSI = Text("PSI", "PSI")
CHANGE = Text("Mudança", "Shift")
MONEY = Text("No prêmio médio", "On the average premium")
MISSING = Text("faltam {missing}", "{missing} missing")
POINTS = Text("p.p.", "pp")
SERVICE = Text("Serviço", "Service")

# Power
POWER = Text("Poder: o que esta janela podia ver", "Power: what this window could see")
POWER_NOTE = Text(
    "Com {rows} cotações e {outcomes} resultados reais, mudanças destes tamanhos são vistas em "
    "80 % das janelas; menores passam, na maioria das vezes, sem alarme.",
    "With {rows} quotes and {outcomes} outcomes, changes of these sizes are seen in 80 % of "
    "windows; smaller ones mostly pass without an alarm.",
)
LEAST = Text("Menor mudança vista", "Least change seen")
NO_POWER = Text(
    "Com tão poucas cotações, nenhuma mudança seria vista com segurança.",
    "With so few quotes, no change would be seen reliably.",
)

# Trend
TREND = Text("Ao longo do tempo", "Over time")
TREND_ERROR = Text("Erro (RMSE), {unit}", "Error (RMSE), {unit}")
TREND_RATIO = Text("Cobrado ÷ previsto", "Charged ÷ predicted")
TREND_ALARMS = Text("Alarmes por janela", "Alarms in each window")
TREND_PREMIUM = Text("Prêmio médio, {unit}", "Average premium, {unit}")
IN_TRAINING = Text("no treino", "in training")
ESTIMATED = Text("estimado", "estimated")
ACTUAL = Text("real", "actual")
NO_TREND = Text(
    "Esta é a primeira janela: a partir da próxima há o que comparar.",
    "This is the first window: from the next one on there is something to compare.",
)

NO_HISTORY = Text(
    "O registro de modelos não pôde ser consultado, então não há com que comparar.",
    "The model registry could not be asked, so there is nothing to compare with.",
)

# The bottom
FACTS = Text("Esta janela", "This window")
PORTFOLIO = Text("Carteira", "Portfolio")
FROM = Text("De", "From")
UNTIL = Text("Até, exclusive", "Until, excluded")
VERSION = Text("Versão julgada", "Version judged")
REGISTRY = Text("Registro de modelos", "Model registry")
LAST_GOOD = Text(
    "não pôde ser consultado: vale a última versão boa",
    "could not be asked: this is of the last good version",
)
OTHERS = Text("Cotações de outras versões", "Quotes of other versions")
OTHER_OUTCOMES = Text("Resultados reais de outras versões", "Outcomes of other versions")
LEFT_OUT = Text(
    "Cotações de outros modelos neste registro, fora da conta",
    "Quotes of other models in this log, left out",
)
NONE = Text("nenhuma", "none")
GENERATED = Text("Página feita em", "Page made on")
FULL = Text("Relatório completo do Evidently", "Evidently's full report")
RUN = Text("Esta avaliação no MLflow", "This assessment in MLflow")
READING = Text("Como ler esta página", "How to read this page")
READING_LINES: tuple[Text, ...] = (
    Text(
        "Um alarme de desvio diz que a diferença é maior do que o acaso explica: o valor p ficou "
        "abaixo do limite, que já está dividido pelo número de testes (Bonferroni).",
        "An alarm of drift says that the difference is larger than chance explains: the p-value "
        "is below its limit, which has been divided by the number of tests (Bonferroni).",
    ),
    Text(
        "PSI e mudança dizem o tamanho, nunca se há alarme: com muitas cotações até uma mudança "
        "sem importância fica visível. PSI abaixo de 0,1 costuma ser pequeno; acima de 0,25, "
        "grande.",
        "PSI and shift say how large it is, never whether it is an alarm: with many quotes even "
        "an unimportant change is visible. A PSI below 0.1 is usually small, above 0.25 large.",
    ),
    Text(
        "O valor em dinheiro é quanto a mudança move o prêmio médio de uma pessoa.",
        "The money is by how much the change moves the average premium of a person.",
    ),
    Text(
        "“Indefinido” não é “tranquilo”: faltam dados para decidir.",
        "“Undecided” is not “quiet”: there are not enough data to decide.",
    ),
)
