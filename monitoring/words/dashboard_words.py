"""Every word of the dashboard that the report has not, in Portuguese and in English."""

from insurance_predictor.base.words import Text

TITLE = Text("Monitoramento", "Monitoring")
LANGUAGE = Text("Idioma", "Language")
LANGUAGE_NAME = Text("Português", "English")
LOADING = Text("Lendo o histórico…", "Reading the history…")
INTRO = Text(
    "O que as avaliações das cotações de **{model}** encontraram até agora.",
    "What the assessments back at the quotes of **{model}** have found so far.",
)
NOTHING_YET = Text(
    "Ainda não houve nenhum monitoramento deste modelo. Rode na raiz do repositório:",
    "This model has not been monitored yet. Run at the root of the repository:",
)
BAD_SCHEMA = Text("As colunas não podem ser usadas", "The columns cannot be used")
FAILED = Text("O histórico não pode ser lido", "The history cannot be read")
TRY_AGAIN = Text("Tentar de novo", "Try again")

# Now
LATEST = Text("Última janela: {start} a {end}", "Latest window: {start} to {end}")
LOOKED = Text(
    "O monitoramento julgou as cotações até {until} ({ago}).",
    "Monitoring has judged quotes up to {until} ({ago}).",
)
OVERDUE = Text(
    "**O monitoramento está atrasado**: as cotações foram julgadas até {until} ({ago}), e desde "
    "então ninguém olhou. Rode `make monitor` e veja se o agendamento ainda está ligado: o GitHub "
    "o desliga após 60 dias sem commit, e em forks desde o início.",
    "**Monitoring is overdue**: quotes were judged up to {until} ({ago}), and nobody has looked "
    "since. Run `make monitor`, and see whether its schedule is still on: GitHub switches it off "
    "after 60 days without a commit, and in forks from the start.",
)
ANOTHER_LOG = Text(
    "O registro de previsões desta página não tem nenhuma avaliação, e o MLflow tem: "
    "PREDICTION_LOG_URL não é o mesmo aqui e no monitoramento, ou lá não está definido.",
    "The prediction log of this page has no assessment, and MLflow has some: PREDICTION_LOG_URL is "
    "not the same here and where monitoring runs, or is not set there.",
)
STATUS = Text("Situação", "Status")
QUOTES = Text("Cotações", "Quotes")
PREMIUM = Text("Prêmio médio", "Average premium")
OPEN = Text("Incidentes abertos", "Open incidents")
OPEN_INCIDENT = Text(
    "**{kind}**, aberto {ago} (versão {version}): {findings}",
    "**{kind}**, opened {ago} (version {version}): {findings}",
)

# Over time
ALARMS = Text("Alarmes", "Alarms")
ALARMS_NOTE = Text(
    "Uma linha por verificação, uma coluna por janela; só as que já deram alarme ou que se julgam "
    "por teste.",
    "A row for each check, a column for each window; only those that have been in alarm or are "
    "judged by a test.",
)
NOTHING_JUDGED = Text(
    "Nenhuma janela teve ainda cotações bastantes para julgar.",
    "No window has had enough quotes to judge yet.",
)
INCIDENTS = Text("Incidentes", "Incidents")
NO_INCIDENTS = Text("Nenhum incidente até agora.", "No incident so far.")
KIND = Text("Tipo", "Kind")
OPENED = Text("Aberto", "Opened")
RESOLVED = Text("Resolvido", "Resolved")
GOES_ON = Text("continua", "goes on")
FOUND = Text("O que mudou", "What changed")
WINDOW_END = Text("Fim da janela (UTC)", "End of the window (UTC)")

# Feature by feature
FEATURE = Text("Atributo", "Feature")
SHIFT = Text("Mudança ({unit})", "Shift ({unit})")
NOT_JUDGED = Text(
    "Ainda não houve cotações bastantes para julgar este atributo.",
    "There have not been enough quotes yet to judge this feature.",
)

# Performance and service
NO_PERFORMANCE = Text(
    "Ainda não há erro estimado nem resultados reais.",
    "There is no estimated error and no outcome yet.",
)
ERROR_RATE = Text("Taxa de erros (%)", "Error rate (%)")
LATENCY = Text("Tempo de resposta, p95 (ms)", "Response time, p95 (ms)")

# Reports
REPORTS = Text("Relatórios", "Reports")
REPORT = Text("Janela", "Window")
REPORT_OF = Text(
    "{start} a {end}, versão {version}: {status}", "{start} to {end}, version {version}: {status}"
)
DOWNLOAD = Text("Baixar o relatório", "Download the report")
DOWNLOAD_FULL = Text("Baixar o do Evidently", "Download Evidently's")
NO_REPORT = Text(
    "Esta janela não tem um relatório que se possa conferir.",
    "This window has no report that can be checked.",
)
IN_MLFLOW = Text("Abrir no MLflow", "Open in MLflow")
