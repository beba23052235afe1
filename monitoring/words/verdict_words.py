"""The words for everything that is judged, in Portuguese and in English side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

from insurance_predictor.base.words import Text


@dataclass(frozen=True)
class CheckWords:
    """What is said of one check.

    `name` says what is judged, `alarm` what has happened, `meaning` and `next_step` what that is
    about and what to do; `runbook` is the heading of its section in docs/runbook.md. `calm`
    replaces the usual words where there is something to say of a check that is quiet.
    """

    name: Text
    alarm: Text
    meaning: Text
    next_step: Text
    runbook: str
    calm: Text | None = None


# Of any check
AS_EXPECTED = Text("{name}: como esperado", "{name}: as expected")
NOT_ENOUGH = Text(
    "{name}: dados insuficientes, faltam {missing} linhas",
    "{name}: not enough data, {missing} rows are missing",
)
CANNOT_SAY = Text("{name}: não foi possível julgar", "{name}: could not be judged")
SAME_MEAN = Text(
    "{label}: a distribuição mudou, a média continua em {window}",
    "{label} is distributed differently, its mean is still {window}",
)
SHIFTED_SOMEHOW = Text("{label} mudou", "{label} has shifted")

# Money: of the quotes, and of what people were charged
PREMIUM_MORE = Text(
    "cerca de {money} a mais no prêmio médio",
    "about {money} more on the average premium",
)
PREMIUM_LESS = Text(
    "cerca de {money} a menos no prêmio médio",
    "about {money} less on the average premium",
)
PREMIUM_SAME = Text(
    "quase nada no prêmio médio",
    "next to nothing on the average premium",
)
TOO_LOW = Text(
    "o prêmio médio está cerca de {money} abaixo do que foi cobrado",
    "the average premium is about {money} below what was charged",
)
TOO_HIGH = Text(
    "o prêmio médio está cerca de {money} acima do que foi cobrado",
    "the average premium is about {money} above what was charged",
)

SHIFTED = Text(
    "{label} mudou: {reference} → {window}", "{label} has shifted: {reference} → {window}"
)
MIX_SHIFTED = Text(
    "{label} mudou: {category}, de {reference} para {window}",
    "{label} has shifted: {category} from {reference} to {window}",
)
NUMBER_MEANING = Text(
    "As pessoas cotadas diferem das do treino neste atributo mais do que o acaso explica.",
    "The people who are quoted differ from those of the training in this feature by more than "
    "chance explains.",
)
MIX_MEANING = Text(
    "A proporção entre as categorias difere da do treino mais do que o acaso explica.",
    "The mix of categories differs from that of the training by more than chance explains.",
)
SEGMENT_STEP = Text(
    "Descubra se um canal, uma campanha ou um parceiro mudou quem pede cotação; se veio para "
    "ficar, treine de novo.",
    "Find out whether a channel, a campaign or a partner changed who asks for quotes; if it is "
    "here to stay, train again.",
)

FEATURE_STEP = Text(
    "Confira primeiro a unidade e quem grava o valor; se estiver certo, descubra se um canal, uma "
    "campanha ou um parceiro mudou quem pede cotação.",
    "Check the unit first, and who logs the value; if that is right, find out whether a channel, a "
    "campaign or a partner changed who asks for quotes.",
)
LABEL = Text("{label}", "{label}")

# Of a feature that is a number, and of one that is a category
NUMBER = CheckWords(LABEL, SHIFTED, NUMBER_MEANING, FEATURE_STEP, runbook="A feature has shifted")
MIX = CheckWords(LABEL, MIX_SHIFTED, MIX_MEANING, FEATURE_STEP, runbook="A feature has shifted")
# What is known beyond that of some features, while a version has them.
STEPS: Mapping[str, Text] = {
    "age": SEGMENT_STEP,
    "bmi": Text(
        "Confira primeiro a unidade: o IMC tem de chegar em kg/m². Se estiver certa, procure "
        "quem passou a pedir cotação.",
        "Check the unit first: BMI has to arrive in kg/m². If it is right, look for who has "
        "started to ask for quotes.",
    ),
    "children": Text(
        "Confira se o campo conta dependentes, e não todos os moradores; depois procure quem "
        "passou a pedir cotação.",
        "Check that the field counts dependants and not everybody in the household; then look "
        "for who has started to ask for quotes.",
    ),
    "sex": SEGMENT_STEP,
    "smoker": Text(
        "É o atributo que mais pesa no prêmio: confira o valor inicial do campo no formulário "
        "e o que os parceiros enviam.",
        "It is the feature that weighs most in the premium: check the form's initial value "
        "and what partners send.",
    ),
    "region": SEGMENT_STEP,
}
SECTIONS: Mapping[str, str] = {  # of the runbook
    "age": "Age has shifted",
    "bmi": "BMI has shifted",
    "children": "Children have shifted",
    "sex": "Sex has shifted",
    "smoker": "Smoker has shifted",
    "region": "Region has shifted",
}

DRIFT: Mapping[str, CheckWords] = {
    "premium": CheckWords(
        Text("Prêmio previsto", "Predicted premium"),
        SHIFTED,
        Text(
            "O modelo está cotando outros valores que no treino: mudou quem pede cotação, ou como "
            "os dados chegam.",
            "The model quotes other amounts than in the training: who asks for quotes has changed, "
            "or how the data arrive.",
        ),
        Text(
            "Veja quais atributos mudaram junto; sem nenhum, confira a versão em produção com "
            "`make status`.",
            "See which features shifted along with it; without any, check the version in "
            "production with `make status`.",
        ),
        runbook="The predicted premium has shifted",
    ),
    "missing": CheckWords(
        Text("{label}: quanto falta", "{label}: how often it is missing"),
        Text(
            "{label} falta em {window} das cotações; no treino faltava em {reference}",
            "{label} is missing in {window} of quotes; in the training it was in {reference}",
        ),
        Text(
            "O campo pode ficar vazio, mas a frequência difere da do treino mais do que o acaso "
            "explica.",
            "The field may be left empty, but how often it is differs from the training by more "
            "than chance explains.",
        ),
        Text(
            "Ache pela coluna `source` quem deixou de enviar o campo, ou passou a enviá-lo.",
            "Find by the column `source` who has stopped sending the field, or has started to.",
        ),
        runbook="An optional feature is missing more or less often",
    ),
}

SCHEMA: Mapping[str, CheckWords] = {
    "null": CheckWords(
        Text("{label}: valores ausentes", "{label}: missing values"),
        Text("{label} falta em {value} das cotações", "{label} is missing in {value} of quotes"),
        Text(
            "Quem grava as cotações deixou o campo vazio; um teste estatístico ignoraria essas "
            "linhas sem avisar.",
            "Whoever logs the quotes left the field empty; a statistical test would drop those "
            "rows silently.",
        ),
        Text(
            "Ache pela coluna `source` quem grava sem este campo e corrija ali; o aplicativo o "
            "exige.",
            "Find by the column `source` who logs without this field and correct it there; the "
            "app asks for it.",
        ),
        runbook="Missing values",
    ),
    "unseen": CheckWords(
        Text("{label}: categorias desconhecidas", "{label}: unknown categories"),
        Text(
            "{label} tem categorias desconhecidas em {value} das cotações{details}",
            "{label} has unknown categories in {value} of quotes{details}",
        ),
        Text(
            "O modelo nunca viu essas categorias: para ele é como se não houvesse nenhuma.",
            "The model has never seen these categories: to it, they are no category at all.",
        ),
        Text(
            "Se for erro de digitação ou de tradução, corrija na origem; se for uma categoria "
            "nova de verdade, treine com ela.",
            "If it is a slip or a translation, correct it at the source; if it is a category that "
            "is really new, train with it.",
        ),
        runbook="Unknown categories",
    ),
    "outside": CheckWords(
        Text("{label}: valores fora dos limites", "{label}: values out of range"),
        Text(
            "{label} está fora dos limites em {value} das cotações{details}",
            "{label} is out of range in {value} of quotes{details}",
        ),
        Text(
            "Valores que o esquema não permite entraram no registro; o prêmio deles é "
            "extrapolação.",
            "Values that the schema does not allow are in the log; their premiums are "
            "extrapolation.",
        ),
        Text(
            "Confira a unidade e quem grava sem validar; o aplicativo recusa esses valores.",
            "Check the unit, and who logs without validating; the app refuses such values.",
        ),
        runbook="Values out of range",
    ),
}

PERFORMANCE: Mapping[str, CheckWords] = {
    "ratio": CheckWords(
        Text("Cobrado ÷ previsto", "Charged ÷ predicted"),
        Text(
            "O que foi cobrado difere do previsto em {value}",
            "What was charged differs from the predictions by {value}",
        ),
        Text(
            "A soma do que foi cobrado não acompanha a soma dos prêmios previstos.",
            "The sum of what was charged does not follow the sum of the predicted premiums.",
        ),
        Text(
            "Se os custos subiram para todos, treine com dados recentes; se só num grupo, veja o "
            "relatório por atributo.",
            "If costs rose for everybody, train with recent data; if only in one group, see the "
            "report feature by feature.",
        ),
        runbook="Charges differ from the predictions",
    ),
    "residuals": CheckWords(
        Text("Erros das previsões", "Errors of the predictions"),
        Text(
            "Os erros mudaram: cobrado ÷ previsto era {reference} na mediana e agora é {window}",
            "The errors have changed: the median of charged ÷ predicted was {reference} and is now "
            "{window}",
        ),
        Text(
            "Não só a soma: a pessoa típica é cobrada diferente do que o modelo diz.",
            "Not only the sum: the typical person is charged differently from what the model says.",
        ),
        Text(
            "Compare grupos no relatório para achar onde o erro nasce; depois treine com os "
            "resultados reais novos.",
            "Compare groups in the report to find where the error comes from; then train with the "
            "new outcomes.",
        ),
        runbook="The errors have changed",
    ),
    "coverage": CheckWords(
        Text("Cobertura dos intervalos", "Coverage of the intervals"),
        Text(
            "Os intervalos contêm {value} dos valores cobrados; deveriam conter {reference}",
            "The intervals hold {value} of the charges; they should hold {reference}",
        ),
        Text(
            "O “entre … e …” que as pessoas leem na cotação não vale na frequência prometida.",
            "The “between … and …” that people read in a quote does not hold as often as it "
            "promises.",
        ),
        Text(
            "Os intervalos são calibrados no treino: treine com dados recentes.",
            "The intervals are calibrated in training: train with recent data.",
        ),
        runbook="The intervals do not hold",
    ),
    "other_versions": CheckWords(
        Text("Cobrado ÷ previsto por outras versões", "Charged ÷ predicted, of other versions"),
        Text(
            "Cobrado ÷ previsto por outras versões{details}: era {reference} na mediana e agora é "
            "{window}",
            "Charged ÷ predicted of other versions{details}: the median was {reference} and is "
            "now {window}",
        ),
        Text(
            "As pessoas já não são cobradas como quando essas versões foram medidas: o mundo "
            "mudou, e a versão atual pode errar do mesmo modo.",
            "People are no longer charged as when those versions were measured: the world has "
            "changed, and the version that serves may err in the same way.",
        ),
        Text(
            "Veja se a versão atual foi treinada com dados de depois da mudança; se não, treine "
            "com os resultados reais novos.",
            "See whether the version that serves was trained on data from after the change; if "
            "not, train with the new outcomes.",
        ),
        runbook="Charges differ from what other versions said",
    ),
    "estimated_error": CheckWords(
        Text("Erro estimado", "Estimated error"),
        Text("Erro estimado (RMSE): {value}", "Estimated error (RMSE): {value}"),
        Text(
            "O erro do teste reservado, repesado pela composição desta janela; diz o que esperar "
            "antes de os resultados reais chegarem.",
            "The hold-out's error, weighted anew by this window's mix; it says what to expect "
            "before outcomes arrive.",
        ),
        Text(
            "Nada a fazer; compare com o erro real quando os resultados reais chegarem.",
            "Nothing to do; compare it with the actual error once outcomes have arrived.",
        ),
        runbook="The estimated error",
        calm=Text("Erro estimado (RMSE): {value}", "Estimated error (RMSE): {value}"),
    ),
}

SERVICE: Mapping[str, CheckWords] = {
    "error_rate": CheckWords(
        Text("Taxa de erros", "Error rate"),
        Text(
            "{value} das cotações falharam (limite: {limit})",
            "{value} of quotes failed (limit: {limit})",
        ),
        Text(
            "Pessoas pediram um prêmio e receberam uma mensagem de erro nossa.",
            "People asked for a premium and got an error of ours.",
        ),
        Text(
            "Leia o registro do aplicativo; se começou após uma promoção, use `make rollback`.",
            "Read the app's log; if it began with a promotion, go back with `make rollback`.",
        ),
        runbook="Quotes fail",
    ),
    "latency": CheckWords(
        Text("Tempo de resposta", "Response time"),
        Text(
            "5 % das cotações demoram mais de {value} (limite: {limit})",
            "5 % of quotes take longer than {value} (limit: {limit})",
        ),
        Text(
            "O cálculo do prêmio está lento para parte das pessoas.",
            "Calculating the premium is slow for some people.",
        ),
        Text(
            "Confira a carga da máquina e se a versão nova é maior; `make bench-app` mede aqui.",
            "Check the machine's load and whether the new version is larger; `make bench-app` "
            "measures here.",
        ),
        runbook="Quotes are slow",
    ),
    "backlog": CheckWords(
        Text("Cotações que esperaram pelo banco", "Quotes that waited for the database"),
        Text(
            "{value} cotações esperaram mais de dez minutos pelo banco (limite: {limit})",
            "{value} quotes waited for the database for more than ten minutes (limit: {limit})",
        ),
        Text(
            "O banco do registro de previsões não respondeu a quem grava; as cotações esperaram, "
            "seguras, no disco.",
            "The prediction log's database did not answer those who write to it; the quotes "
            "waited, safe, on the disk.",
        ),
        Text(
            "Veja desde quando em late_deliveries, e se cada aplicativo alcança o banco "
            "(`make doctor` ali); a entrega recomeça sozinha.",
            "See since when in late_deliveries, and whether each app reaches the database "
            "(`make doctor` there); delivery resumes by itself.",
        ),
        runbook="Quotes wait for the database",
    ),
    "stale": CheckWords(
        Text("Versão não conferida", "Version not checked"),
        Text(
            "{value} das cotações saíram sem conferir a versão no registro (limite: {limit})",
            "{value} of quotes were given without checking the version (limit: {limit})",
        ),
        Text(
            "O registro de modelos não respondeu; o aplicativo seguiu com a última versão boa.",
            "The model registry did not answer the app, which went on with the last good version.",
        ),
        Text(
            "Confira o servidor do MLflow com `make doctor` e MLFLOW_TRACKING_URI no aplicativo.",
            "Check the MLflow server with `make doctor`, and MLFLOW_TRACKING_URI of the app.",
        ),
        runbook="The registry does not answer",
    ),
}
UNKNOWN = CheckWords(
    Text("{check}", "{check}"),
    Text("{check}: fora do esperado", "{check}: not as expected"),
    Text(
        "Este programa ainda não tem palavras para esta verificação.",
        "This program has no words for this check yet.",
    ),
    Text("Abra o relatório.", "Open the report."),
    runbook="Any other verdict",
)
