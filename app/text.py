"""Every word of the app, in Portuguese and in English."""

from collections.abc import Mapping

from insurance_predictor.base.words import Text

# Frame
APP_TITLE = Text("Prêmio de seguro", "Insurance premium")
LANGUAGE = Text("Idioma", "Language")
LANGUAGE_NAME = Text("Português", "English")
LOADING = Text("Carregando o modelo…", "Loading the model…")
SERVING = Text(
    "Versão {version} do modelo · registro conferido {ago}",
    "Model version {version} · registry checked {ago}",
)
OUTAGE = Text(
    "O registro de modelos não responde. A versão {version} continua respondendo; ela foi "
    "conferida pela última vez {ago}.",
    "The model registry does not answer. Version {version} goes on answering; it was last "
    "checked {ago}.",
)
NEWER = Text(
    "A versão {version} do modelo entrou em produção. Calcule de novo para usá-la.",
    "Model version {version} is now in production. Calculate again to use it.",
)
UNEXPECTED = Text(
    "Algo falhou do nosso lado. Nada do que você digitou foi perdido; tente de novo. "
    "O registro do servidor tem os detalhes.",
    "Something failed on our side. Nothing you typed is lost; try again. "
    "The server's log has the details.",
)
DETAIL = Text("Detalhe técnico (em inglês)", "Technical detail")
TRY_AGAIN = Text("Tentar de novo", "Try again")

# Nothing to serve
NO_MODEL = Text("Ainda não há modelo em produção", "No model is in production yet")
NO_MODEL_STEPS = Text(
    "Treine, registre e promova um modelo na raiz do repositório e depois tente de novo:",
    "Train, register and promote a model at the root of the repository, then try again:",
)
NO_MODEL_SETTINGS = Text(
    "Se já existe um modelo em outro servidor, confira MLFLOW_TRACKING_URI, MODEL_NAME e "
    "PRODUCTION_ALIAS em .env ou em .streamlit/secrets.toml e tente de novo; no ambiente, confira "
    "antes de reiniciar o aplicativo.",
    "If there is a model on another server, check MLFLOW_TRACKING_URI, MODEL_NAME and "
    "PRODUCTION_ALIAS in .env or in .streamlit/secrets.toml and try again; in the environment, "
    "before you start the app again.",
)
UNREACHABLE = Text("O registro de modelos não responde", "The model registry does not answer")
UNREACHABLE_STEPS = Text(
    "Nenhuma versão foi carregada até agora, então não há com que responder. Confira "
    "MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME e MLFLOW_TRACKING_PASSWORD, e se o servidor "
    "está no ar (`make doctor` diz o que falta).",
    "No version has been loaded so far, so there is nothing to answer with. Check "
    "MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and whether the "
    "server is up (`make doctor` says what is missing).",
)
BAD_SCHEMA = Text("As colunas não podem ser usadas", "The columns cannot be used")
BAD_SETTINGS = Text("A configuração não pode ser usada", "The settings cannot be used")
BAD_SETTINGS_STEPS = Text(
    "Corrija o valor em .env ou em .streamlit/secrets.toml e tente de novo. Se ele vem do "
    "ambiente, corrija-o lá e reinicie o aplicativo.",
    "Correct the value in .env or in .streamlit/secrets.toml and try again. If it comes from the "
    "environment, correct it there and start the app again.",
)
NOT_SERVABLE = Text("A versão em produção foi recusada", "The version in production was refused")
NOT_SERVABLE_STEPS = Text(
    "Os arquivos dela não são os que foram registrados, e nenhuma versão anterior está guardada "
    "aqui. Volte a uma versão íntegra com `make rollback`, ou treine e promova de novo.",
    "Its files are not the ones that were registered, and no earlier version is kept here. "
    "Go back to a sound version with `make rollback`, or train and promote again.",
)

# Quote
QUOTE_PAGE = Text("Cotação", "Quote")
QUOTE_INTRO = Text(
    "Estimativa de seguro saúde para uma pessoa: {label}, em {unit}.",
    "A health insurance estimate for one person: {label}, in {unit}.",
)
FIELD = Text("{label} ({unit})", "{label} ({unit})")
FIELD_HELP = Text("{help} De {low} a {high}.", "{help} From {low} to {high}.")
CALCULATE = Text("Calcular prêmio", "Calculate premium")
LINK_UNUSABLE = Text(
    "O link não pôde ser usado: {faults}. O formulário está com os demais valores.",
    "The link could not be used: {faults}. The form shows its other values.",
)
LINK_MISSING = Text("{label} falta", "{label} is missing")
LINK_WRONG = Text(
    "{label} é “{value}”, mas deve ser {rule}", "{label} is “{value}”, but must be {rule}"
)
NUMBER_RULE = Text("um número de {low} a {high}", "a number from {low} to {high}")
WHOLE_RULE = Text("um número inteiro de {low} a {high}", "a whole number from {low} to {high}")
OPTIONAL_RULE = Text("{rule}, ou vazio", "{rule}, or empty")
CARRIED_RULE = Text(
    "um texto de até {most} sinais visíveis", "a text of at most {most} printable signs"
)
CATEGORY_RULE = Text("um destes: {values}", "one of: {values}")
PREMIUM = Text("{label}: estimativa em {unit}", "{label}: estimate in {unit}")
INTERVAL = Text(
    "**Entre {low} e {high}** em 9 de cada 10 casos (intervalo de 90 %)",
    "**Between {low} and {high}** in 9 cases out of 10 (90 % interval)",
)
IF_OTHERWISE = Text(
    "Com “{value}”: **{premium}** ({difference}).",
    "With “{value}”: **{premium}** ({difference}).",
)
ANSWERED = Text("Versão {version} · calculado {time}", "Version {version} · calculated {time}")
NOT_GIVEN = Text("não informado", "not given")
LATER_COLUMNS = Text(
    "A versão {version} do modelo não conhece: {columns}. O que for informado ali não muda o "
    "prêmio.",
    "Model version {version} does not know: {columns}. What is given there does not change the "
    "premium.",
)
LOST_COLUMNS = Text(
    "A versão {version} do modelo precisa de colunas que o esquema já não tem: {columns}. "
    "Devolva-as a insurance_predictor/table/schema.py, ou treine e promova uma versão sem elas: "
    "`make train register promote`.",
    "Model version {version} needs columns that the schema has lost: {columns}. Put them back in "
    "insurance_predictor/table/schema.py, or train and promote a version without them: "
    "`make train register promote`.",
)
OTHER_VERSION = Text(
    "A versão {version} do modelo, que agora atende, tem outras colunas: "
    "envie o arquivo outra vez.",
    "Model version {version}, which serves now, has other columns: upload the file once more.",
)
LABELLED = Text("{label}: {value}", "{label}: {value}")
CAUTION = Text(
    "{label} {value} está fora do que o modelo viu no treino ({low} a {high}): este prêmio é uma "
    "extrapolação, use com cautela.",
    "{label} {value} is outside what the model saw in training ({low} to {high}): this premium is "
    "an extrapolation, use it with caution.",
)
NOT_RECORDED = Text(
    "A cotação vale, mas não pôde ser gravada no registro de previsões: o disco não a aceitou.",
    "The quote stands, but it could not be written to the prediction log: the disk did not take "
    "it.",
)
PORTFOLIO = Text("Onde fica na carteira", "Where it stands in the portfolio")
STANDING = Text(
    "Mais alto que {share} dos prêmios que o modelo dá às {people} pessoas com que aprendeu.",
    "Higher than {share} of the premiums that the model gives to the {people} people it learned "
    "from.",
)
PORTFOLIO_ALT = Text(
    "Histograma dos prêmios da carteira, com esta pessoa marcada em {premium} e o intervalo de "
    "90 % ao fundo.",
    "Histogram of the portfolio's premiums, with this person marked at {premium} and the 90 % "
    "interval behind.",
)
THIS_PERSON = Text("esta pessoa", "this person")
PEOPLE_AXIS = Text("Pessoas", "People")
WHAT_IF = Text("E se fosse diferente?", "What if things were different?")
CURVE_ALT = Text(
    "Linha do prêmio conforme {label}.",
    "Line of the premium by {label}.",
)
CURVES_ALT = Text(
    "Linhas do prêmio conforme {label}, uma para cada valor de {group}.",
    "Lines of the premium by {label}, one for each value of {group}.",
)
LINK = Text("Link que reproduz esta cotação", "Link that reproduces this quote")
PREDICTION_ID = Text("Número desta cotação: {id}", "Number of this quote: {id}")

# Batch
BATCH_PAGE = Text("Lote", "Batch")
BATCH_INTRO = Text(
    "Envie uma tabela com uma pessoa por linha e receba de volta prêmio, intervalo e versão. "
    "Outras colunas, como um identificador, voltam como vieram.",
    "Upload a table with one person a row and get premium, interval and version back. "
    "Other columns, such as an id, come back as they were.",
)
TEMPLATE = Text("Baixar modelo de tabela (CSV)", "Download a template (CSV)")
COLUMNS_HEADING = Text("Colunas e regras", "Columns and rules")
COLUMN_HEADER = Text("coluna", "column")
MEANING_HEADER = Text("significado", "meaning")
RULE_HEADER = Text("regra", "rule")
UPLOAD = Text(
    "Tabela em CSV, Excel ou Parquet, também compactada",
    "Table as CSV, Excel or Parquet, also packed",
)
UPLOAD_HELP = Text(
    "Até {rows} linhas e {megabytes} MB. Decimais com ponto (28.5); em CSV separado por ponto e "
    "vírgula ou tabulação também com vírgula (28,5).",
    "Up to {rows} rows and {megabytes} MB. Decimals with a point (28.5); in CSV separated by "
    "semicolons or tabs also with a comma (28,5).",
)
UNUSABLE_FILE = Text(
    "Este arquivo não pode ser usado: {reason}", "This file cannot be used: {reason}"
)
FILE_TOO_LARGE = Text("ele tem mais de {megabytes} MB.", "it has more than {megabytes} MB.")
TOO_MANY_ROWS = Text(
    "ele tem mais de {limit} linhas. Divida-o em partes.",
    "it has more than {limit} rows. Split it into parts.",
)
TOO_MANY_COLUMNS = Text(
    "ele tem {count} colunas e o máximo são {limit}. Deixe só as que importam.",
    "it has {count} columns and {limit} is the most. Keep those that matter.",
)
TOO_MUCH_INSIDE = Text(
    "descompactado, ele é grande demais. Divida-o em partes, ou salve-o como CSV.",
    "unpacked, it is too large. Split it into parts, or save it as CSV.",
)
READING = Text("Lendo a tabela: {rows} linhas até agora", "Reading the table: {rows} rows so far")
WAITING = Text(
    "Outra tabela grande está sendo calculada. Na sua frente: {before}. A sua começa sozinha; "
    "deixe esta página aberta.",
    "Another large table is being calculated. Before yours: {before}. Yours begins by itself; "
    "keep this page open.",
)
STOPPED = Text(
    "O cálculo parou no meio por uma falha do nosso lado. Baixe o que já foi calculado ({rows} "
    "linhas, na ordem do arquivo), tire essas linhas da tabela e envie o resto.",
    "The calculation stopped halfway because something failed on our side. Download what is done "
    "({rows} rows, in the order of the file), take these rows out of the table and upload the "
    "rest.",
)
EMPTY_FILE = Text("ele não tem nenhuma linha de dados.", "it has no rows of data.")
MISSING_COLUMNS = Text(
    "faltam as colunas {columns}. O cabeçalho precisa de todas estas: {all}.",
    "the columns {columns} are missing. The header needs all of these: {all}.",
)
REPEATED_COLUMNS = Text(
    "a coluna {columns} aparece mais de uma vez no cabeçalho.",
    "the column {columns} is in the header more than once.",
)
LONG_NAMES = Text(
    "o nome da coluna {columns} tem mais de {limit} caracteres. Encurte-o.",
    "the name of the column {columns} has more than {limit} characters. Shorten it.",
)
LONG_CELLS = Text(
    "uma célula da coluna {columns} tem mais de {limit} caracteres. Encurte-a ou retire a coluna.",
    "a cell of the column {columns} has more than {limit} characters. Shorten it, or leave the "
    "column out.",
)
NESTED_COLUMNS = Text(
    "a coluna {columns} não tem um valor simples em cada célula.",
    "the column {columns} does not hold one plain value in each cell.",
)
DAMAGED = Text(
    "o conteúdo está danificado ou alguma linha não tem o mesmo número de células que o cabeçalho.",
    "its content is damaged, or a row does not have as many cells as the header.",
)
ROWS_READ = Text("Linhas lidas de {name}: {rows}.", "Rows read from {name}: {rows}.")
REPLACED_COLUMNS = Text(
    "As colunas {columns} do arquivo serão substituídas pelas novas.",
    "The file's own columns {columns} will be replaced by the new ones.",
)
ROW_ERRORS = Text(
    "Valores que não podem ser usados: {cells}; linhas com erro: {rows}.",
    "Values that cannot be used: {cells}; rows with errors: {rows}.",
)
ROW_ERRORS_CUT = Text(
    "A tabela mostra os primeiros {shown} deles.", "The table shows the first {shown} of them."
)
ROW_HEADER = Text("linha", "row")
VALUE_HEADER = Text("valor", "value")
PROBLEM_HEADER = Text("deve ser", "must be")
EMPTY_CELL = Text("(vazio)", "(empty)")
SCORE_VALID = Text(
    "Calcular mesmo assim as linhas sem erro ({rows})",
    "Calculate the rows without errors anyway ({rows})",
)
NO_VALID_ROWS = Text(
    "Nenhuma linha está sem erro. Corrija a tabela e envie de novo.",
    "No row is free of errors. Correct the table and upload it again.",
)
SCORE = Text("Calcular todas as linhas ({rows})", "Calculate all rows ({rows})")
SCORING = Text("{done} de {rows} prêmios calculados", "{done} of {rows} premiums calculated")
SCORED = Text(
    "Prêmios calculados pela versão {version} em {seconds} s: {rows}. Soma: {total}.",
    "Premiums calculated by version {version} in {seconds} s: {rows}. Sum: {total}.",
)
LEFT_OUT = Text("Linhas com erro deixadas de fora: {rows}.", "Rows with errors left out: {rows}.")
OUTSIDE = Text(
    "Pessoas fora do que o modelo viu no treino: {rows}; a coluna outside_range diz em quê.",
    "People outside what the model saw in training: {rows}; the column outside_range says in what.",
)
NEUTRALISED = Text(
    "Textos que uma planilha executaria como fórmula, agora com um apóstrofo na frente: {cells}.",
    "Texts that a spreadsheet would run as formulas, now with an apostrophe in front: {cells}.",
)
RENAMED_COLUMNS = Text(
    "Colunas com outro nome no resultado, pelo mesmo motivo: {columns}.",
    "Columns with another name in the result, for the same reason: {columns}.",
)
RENAMED = Text("{before} agora é {after}", "{before} is now {after}")
PREVIEW = Text("Primeiras linhas ({rows})", "First rows ({rows})")
DOWNLOAD = Text("Baixar resultado (CSV)", "Download the result (CSV)")
DOWNLOAD_PACKED = Text(
    "Baixar resultado (CSV dentro de um ZIP)", "Download the result (CSV inside a ZIP)"
)

# Model
MODEL_PAGE = Text("Modelo", "Model")
MODEL_INTRO = Text(
    "O que responde nesta página, de onde veio e quão bom é.",
    "What answers here, where it comes from and how good it is.",
)
REFUSED = Text(
    "O registro indica outra versão, que foi recusada; a versão {version} continua respondendo.",
    "The registry names another version, which was refused; version {version} goes on answering.",
)
VERSION = Text("Versão", "Version")
ALIAS = Text("Apelido", "Alias")
TRAINED = Text("Treinada em", "Trained")
DATASET = Text("Dados (impressão digital)", "Data (fingerprint)")
DATA_SOURCE = Text("Origem dos dados", "Source of the data")
ROWS_TRAIN = Text("Pessoas no treino", "People in training")
RUN = Text("Execução no MLflow", "MLflow run")
CHECKED = Text("Registro conferido", "Registry checked")
REGISTERED = Text("Registrada em", "Registered")
UNKNOWN = Text("desconhecido", "unknown")
METRICS = Text("Quão bom é", "How good it is")
METRICS_NOTE = Text(
    "Medido em {rows} pessoas que o modelo não viu; intervalos de 95 % por bootstrap.",
    "Measured on {rows} people the model had not seen; 95 % bootstrap intervals.",
)
METRIC_HEADER = Text("métrica", "metric")
INTERVAL_HEADER = Text("intervalo de 95 %", "95 % interval")
RANGE = Text("{low} a {high}", "{low} to {high}")
METRICS_BY_NAME: Mapping[str, Text] = {
    "rmse": Text(
        "RMSE (erro típico, pune os grandes)", "RMSE (typical error, punishes large ones)"
    ),
    "mae": Text("Erro absoluto médio", "Mean absolute error"),
    "median_absolute_error": Text("Erro absoluto mediano", "Median absolute error"),
    "r2": Text("R² (variação explicada)", "R² (variation explained)"),
    "total_bias": Text(
        "Viés total (acima de zero: cobra a mais)", "Total bias (above zero: too high)"
    ),
    "gamma_deviance": Text("Desvio Gama", "Gamma deviance"),
    "coverage": Text("Pessoas dentro do intervalo de 90 %", "People within the 90 % interval"),
}
SLICES = Text("Por grupo", "By group")
SLICE_HEADER = Text("grupo", "group")
PEOPLE_HEADER = Text("pessoas", "people")
RMSE_HEADER = Text("RMSE", "RMSE")
BIAS_HEADER = Text("viés total", "total bias")
CHANGED = Text("O que mudou", "What changed")
CHANGED_NOTE = Text(
    "Em relação à versão {version}, cada uma medida nas pessoas que ela não viu.",
    "Against version {version}, each measured on the people it had not seen.",
)
NO_PREVIOUS = Text(
    "Esta é a primeira versão em produção.", "This is the first version in production."
)
NOW_HEADER = Text("versão {version}", "version {version}")
DIFFERENCE_HEADER = Text("diferença", "difference")
PLOTS = Text("Gráficos da avaliação", "Evaluation plots")
PLOTS_BY_NAME: Mapping[str, Text] = {
    "predicted_against_actual": Text("Previsto e cobrado", "Predicted against actual"),
    "residuals": Text("Resíduos", "Residuals"),
    "importance": Text("Quanto vale cada variável", "What each feature is worth"),
    "learning_curve": Text("Curva de aprendizado", "Learning curve"),
}
LEDGER = Text("Histórico de promoções", "Ledger")
WHEN_HEADER = Text("quando", "when")
WHO_HEADER = Text("quem", "who")
MOVE_HEADER = Text("movimento", "move")
WHY_HEADER = Text("por quê", "why")
FORCED = Text("{move}, forçado", "{move}, forced")
NOT_CLOSED = Text("{move}, não concluído", "{move}, not closed")
MOVE = Text("{action}: {before} para {after}", "{action}: {before} to {after}")
NOTHING = Text("nenhuma", "none")
PARAMETERS = Text("Parâmetros do treino", "Training parameters")
PARAMETER_HEADER = Text("parâmetro", "parameter")
CARD = Text("Ficha do modelo (em inglês)", "Model card")
CARD_UNPROVEN = Text(
    "Esta versão vem de um treino antigo, cujos gráficos e ficha não podem ser conferidos e por "
    "isso não são mostrados; treinar de novo os traz de volta.",
    "This version comes from an old training, whose plots and card cannot be checked, so they are "
    "not shown; training again brings them back.",
)
NO_CARD = Text("Esta versão não tem ficha.", "This version has no card.")

# Monitoring
MONITORING_PAGE = Text("Monitoramento", "Monitoring")
