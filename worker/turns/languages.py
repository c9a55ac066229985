"""What tells in a language that a sentence goes on: the words at which it seldom ends."""

from dataclasses import dataclass
from functools import cached_property

from worker.turns.numbers import Digits


@dataclass(frozen=True)
class Language:
    """The words of a language, in small letters; what is said of marks is of those at the very end.

    open     words that end none: articles, conjunctions
    tags     words of these that make a question of what stands before: "morgen, oder?"
    half     words that end one only with a mark: articles that may be pronouns
    loose    words that end few: prepositions that a question leaves at its end, or parts of verbs
    verbs    words as those that end a short answer: "yes, I do"
    pending  words that end many with a mark, and few without: verbs that want an object, prepositions that are adverbs
    phrases  several words of which that is so, though the last one ends many: "could you please"
    asking   words of questions that may end in a loose one,
    subjects and those that make no question of it where they follow: "what I would like is"
    fillers  sounds of who thinks, that are words elsewhere
    digits   words that dictate a number
    """

    open: frozenset[str]
    tags: frozenset[str]
    half: frozenset[str]
    loose: frozenset[str]
    verbs: frozenset[str]
    pending: frozenset[str]
    phrases: frozenset[str]
    asking: frozenset[str]
    subjects: frozenset[str]
    fillers: frozenset[str]
    digits: Digits

    @cached_property
    def last(self) -> frozenset[str]:
        """All words that tell something at the end."""
        return self.open | self.half | self.loose | self.verbs | self.pending


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _pairs(first: str, second: str) -> frozenset[str]:
    """Each of the first words with each of the others behind it; `|` is a space within one of these."""
    return frozenset(f"{one} {other}".replace("|", " ") for one in first.split() for other in second.split())


_ENGLISH_VERBS = _set("can can't cannot couldn't won't wouldn't shouldn't wasn't weren't didn't haven't hasn't hadn't")
_GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_GERMAN_UNITS = "ein zwei drei vier fünf sechs sieben acht neun"
_GERMAN_ORDINALS = f"""erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte dreizehnte
    vierzehnte fünfzehnte sechzehnte siebzehnte achtzehnte neunzehnte zwanzigste dreißigste einunddreißigste
    {" ".join(f"{unit}undzwanzigste" for unit in _GERMAN_UNITS.split())}"""
_GERMAN_NUMBERS = """kundennummer kontonummer bestellnummer auftragsnummer rechnungsnummer versicherungsnummer
    mitgliedsnummer vertragsnummer vorgangsnummer buchungsnummer sendungsnummer referenznummer steuernummer faxnummer
    seriennummer"""

LANGUAGES = {
    "en": Language(
        open=_set("""a an the my your our their its and or but nor because unless onto during i'm i'd i'll i've we're
            we'd we'll we've you're you'd they're they'd he's she's it's that's there's mr mrs ms"""),
        tags=frozenset(),
        half=_set("""of into if whether although than between per via every very let's dr except including regarding
            despite throughout towards upon among toward"""),
        loose=_set("""for to from with without by at about as which who whose where when how what why while until been
            shall his any some no not such i we he she they another want wanted need like called named wants needs dot
            dash hyphen slash underscore"""),
        verbs=_set("""is are was were be am will would could should may might must do does did have has had isn't
            aren't don't doesn't""")
        | _ENGLISH_VERBS,
        pending=_set("""near after before since through across behind around against along beside inside outside under
            past beyond within so just only even also still rather really probably maybe actually each several either
            neither few many most other prefer require tell give send let show ask get make take pay find buy say says
            said told owe owes think hope believe guess seems costs going trying able supposed hoping planning
            wondering looking being having getting unfortunately""")
        | _ENGLISH_VERBS,
        phrases=_pairs("you we i can could would will and so", "please")
        | _pairs("could can would will if that when whether have did do are should because like", "you")
        | _pairs("tell give send let help show call remind told gave sent", "me")
        | _pairs("and so but", "then")
        | _pairs("is are was were", "there")
        | _pairs("the", "next last same whole new only")
        | _pairs("is was think believe hope guess said say says told heard see so", "that")
        | _pairs("if that when whether because", "it there this"),
        asking=_set("what which who whom whose where when why how"),
        subjects=_set(
            "i i'm i'd i'll i've we we're you you're he he's she she's it it's they they're that this my our the"
        ),
        fillers=_set("um er erm"),
        digits=Digits.of(
            "zero oh o",
            "one two three four five six seven eight nine double triple",
            """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty
            sixty seventy eighty ninety""",
            announced={
                (1, 34): """number numbers code pin id digits extension reference order account policy serial tracking
                    booking confirmation postcode call|me text|me reach|me""",
                (5, 5): "zip zip|code",
                (7, 13): "phone|number telephone|number mobile|number cell|number my|number|is phone|is",
                (9, 9): "social|security social|security|number",
                (15, 16): "card|number number|on|my|card number|of|my|card credit|card|is card|is",
                (4, 6): "pin",
                (4, 4): "last|four ending|in ends|in ends|with",
                (3, 4): "security|code cvv cvc",
                (6, 8): "date|of|birth",
                (1, 3): "room|number house|number",
            },
            counted="""room rooms gate flight page chapter bus line platform track floor channel route highway apartment
                suite table seat row house building costs cost pay paid owe owes need want have has had bought weigh
                weighs about around approximately roughly nearly almost over under than least most exactly only size
                model year since until till before after by from between to for at in are were was price|is total|is
                amount|is bill|is temperature|is""",
        ),
    ),
    "de": Language(
        open=_set("""des und oder aber sondern weil dass daß ob wenn für zwischen wegen während im am vom zum zur beim
            ins ans sowie bevor nachdem obwohl falls sobald solange sodass herrn"""),
        tags=_set("oder"),
        half=_set("""der die den dem eine einen einem einer eines mein meine meinen meinem meiner meines dein deine
            deinen deinem deiner ihr ihre ihren ihrem ihrer ihres unser unsere unseren unserem unserer euer eure euren
            eurem eurer sein seine seinen seinem seiner seines kein keine keinen keinem keiner jede jeden jedem jeder
            jedes diese diesen diesem dieser dieses manche einige welche welchen welchem als ohne durch gegen hinter
            neben außer statt trotz innerhalb außerhalb laut je pro per dr entweder weder sowohl"""),
        loose=_set("""ein von bei in um über unter bis seit ich wir er man nur noch wie wer punkt minus bindestrich
            unterstrich at"""),
        verbs=frozenset(),
        pending=_set("""mit aus nach vor zu gegenüber sehr frau herr denn damit also was wann wo warum wieso weshalb
            woher wohin welcher welches bin bist ist sind seid war waren wäre wären habe hast hat haben hatte hatten
            hätte hätten werde wird werden wurde wurden würde würden kann können könnte könnten muss müssen müsste
            müssten soll sollen sollte sollten will wollen wollte wollten darf dürfen dürfte möchte möchten mag heiße
            heißt lautet wohne brauche brauchen bräuchte bräuchten suche suchen nehme glaube denke hoffe finde kostet
            kosten steht liegt lieber vielleicht eigentlich leider eventuell etwa ungefähr circa insgesamt andere
            anderen"""),
        phrases=_pairs("sie du ich wir mir uns möchte möchten könnten können", "bitte")
        | _pairs("ich wir möchte möchten hätte hätten würde würden wollte wollten", "gern gerne")
        | _pairs(
            """können könnten haben hätten würden sind wollen möchten dürfen werden müssen sollen wenn ob dass weil bis
            wann wo wie""",
            "sie",
        )
        | _pairs("sie du kann können", "mir uns mich")
        | _pairs("und also aber", "dann")
        | _pairs("geht ginge", "auch")
        | _pairs("der die das", _GERMAN_ORDINALS),
        asking=_set("was wer wo wann wie warum wieso woher wohin welche welcher welches"),
        subjects=_set("ich du er wir ihr man der die das mein meine"),
        fillers=frozenset(),
        digits=Digits.of(
            "null",
            "eins zwei zwo drei vier fünf sechs sieben acht neun",
            f"""zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn {_GERMAN_TENS}
            {" ".join(f"{unit}und{ten}" for unit in _GERMAN_UNITS.split() for ten in _GERMAN_TENS.split())}""",
            announced={
                (1, 34): f"nummer nummern code ziffern durchwahl {_GERMAN_NUMBERS}",
                (4, 5): "postleitzahl plz",
                (7, 13): """telefonnummer handynummer mobilnummer rufnummer rückrufnummer meine|nummer|ist
                    meine|nummer|lautet mich|unter telefon|ist handy|ist""",
                (15, 16): """kartennummer kreditkartennummer nummer|meiner|karte nummer|der|karte
                    nummer|meiner|kreditkarte nummer|der|kreditkarte""",
                (4, 6): "pin",
                (4, 4): "letzten|vier endet|auf endet|mit",
                (3, 4): "prüfnummer prüfziffer sicherheitscode kartenprüfnummer",
                (6, 8): "geburtsdatum",
                (1, 3): "zimmernummer hausnummer",
            },
            counted="""zimmer raum gate flug seite kapitel bus linie gleis stock etage tisch platz reihe haus kostet
                kosten zahle bezahle bezahlt brauche brauchen will möchte habe haben hatte etwa ungefähr circa ca rund
                fast über unter als mindestens höchstens genau nur größe modell jahr seit bis vor nach ab um von zu für
                in im am auf mit sind waren wiegt preis|ist betrag|ist summe|ist preis|beträgt""",
        ),
    ),
    "es": Language(
        open=_set("""la los las un mis tus su sus nuestro nuestra nuestros nuestras de del al a en por para sobre
            entre hasta desde y e o u pero porque que aunque algún ningún primer tercer ni sino"""),
        tags=frozenset(),
        half=_set("""el una unos unas mi tu con sin cuando si muy cada según durante mediante contra hacia tras ante
            bajo excepto salvo mientras"""),
        loose=_set("donde como le les me te nos lo tan quería ha he han hemos punto arroba guion guión barra"),
        verbs=_set("es son están era soy estoy tengo quiero se"),
        pending=_set("""está estaba estamos eran fue somos hay había tiene tienes tenemos tenía tienen quisiera
            querría queremos quiere necesito necesita necesitamos puedo puede podemos pueden puedes podría podrían
            podrías debo debe debemos debería deberíamos gustaría voy va vamos van iba prefiero preferiría preferimos
            busco buscamos buscando llamo llama compro pido creo pienso dice dijo saber decir decirme preguntar
            cambiar reservar cancelar confirmar hacer tener cuesta cuestan este esta estos estas ese esa esos esas
            otro otra algunos algunas muchos muchas varios varias pues todavía aún casi aproximadamente número calle
            cuánto cuántos cuántas cuándo dónde cómo qué quién cuál"""),
        phrases=_pairs("podría podrían podrías puede pueden puedes me quiero quisiera y", "por|favor")
        | _pairs("que si cuando porque y", "yo usted ustedes nosotros no")
        | _pairs("es lo", "que"),
        asking=_set("qué quién quiénes dónde cuándo cómo cuál cuáles cuánto cuántos cuánta cuántas"),
        subjects=_set("yo tú él ella nosotros usted ustedes ellos ellas el mi"),
        fillers=_set("eh"),
        digits=Digits.of(
            "cero",
            "uno dos tres cuatro cinco seis siete ocho nueve",
            """diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós
            veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve treinta cuarenta cincuenta
            sesenta setenta ochenta noventa""",
            announced={
                (1, 34): """número números código cifras dígitos pedido referencia cuenta extensión dni llámeme|al""",
                (5, 5): "código|postal",
                (
                    7,
                    13,
                ): """número|de|teléfono mi|número|es teléfono|es móvil|es celular|es""",
                (
                    15,
                    16,
                ): """número|de|tarjeta número|de|la|tarjeta número|de|mi|tarjeta tarjeta|es tarjeta|de|crédito|es""",
                (4, 6): "pin",
                (4, 4): "últimos|cuatro últimas|cuatro termina|en terminada|en",
                (3, 4): "código|de|seguridad cvv cvc",
                (6, 8): "fecha|de|nacimiento",
                (1, 3): "número|de|habitación",
            },
            counted="""habitación puerta vuelo página capítulo línea autobús piso mesa asiento fila casa cuesta cuestan
                vale valen pago pagué son eran era somos necesito quiero tengo tenemos hay unos unas casi
                aproximadamente más|de menos|de alrededor|de sobre desde hasta de en a las la para por con año talla
                precio|es total|es""",
        ),
    ),
    "fr": Language(
        open=_set("""le les des du de d' l' mon ma mes ta tes sa ses notre votre nos vos cet cette ces à au aux et ou
            mais que qu' car je j' chez n' s' m' t' parce lorsque lorsqu' puisque afin qu'il qu'elle qu'on qu'ils
            qu'elles qu'un qu'une d'un d'une jusqu'à jusqu'au jusqu'en quelques chaque"""),
        tags=frozenset(),
        half=_set("un une leur leurs son ton si très dans vers selon malgré parmi dès sauf ni"),
        loose=_set("""la en avec pour sans sur sous par entre depuis comme il on tu ce qui dont ne c'est point arobase
            tiret tirets"""),
        verbs=_set("est sont suis ai"),
        pending=_set("""quand où comment combien pourquoi quel quelle quels quelles contre pendant avant après
            derrière devant près environ as a avons avez ont avais avait étais était étaient serait es sommes êtes
            vais va allons vont veux veut voulons voulez veulent voudrais voudrait voudrions voulais voulait voulions
            peux peut pouvons pouvez peuvent pourrais pourrait pourriez dois doit devons devez devrais faut faudrait
            j'ai j'avais j'étais j'aurais j'aimerais aimerais aimerait aimerions m'appelle s'appelle cherche cherchons
            souhaite souhaiterais préfère préférerais appelle habite j'habite j'appelle crois pense espère savoir
            demander dire prendre réserver changer annuler m'avez m'a l'ai l'a n'ai n'a n'avez n'est n'êtes n'était
            n'avons coûte plusieurs encore alors rue numéro pouvez-vous pourriez-vous avez-vous puis-je est-ce
            êtes-vous savez-vous voulez-vous"""),
        phrases=_pairs("que si quand lorsque parce", "vous nous")
        | _pairs("et", "puis alors")
        | _pairs("le", "premier deuxième troisième")
        | _pairs("pouvez-vous pourriez-vous vous pouvez pourriez voudrais peux je moi", "s'il|vous|plaît"),
        asking=_set("quoi qui où quand comment pourquoi combien quel quelle quels quelles qu'est-ce"),
        subjects=_set("je j'ai j'étais tu il elle nous ils elles mon ma le la"),
        fillers=_set("heu"),
        digits=Digits.of(
            "zéro",
            """deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente
            quarante cinquante soixante quatre-vingt quatre-vingts""",
            "dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante soixante",
            announced={
                (1, 34): "numéro numéros code chiffres commande référence dossier compte client poste",
                (5, 5): "code|postal",
                (7, 13): """numéro|de|téléphone mon|numéro|est mon|numéro|c'est téléphone|est portable|est
                    me|joindre|au""",
                (13, 15): "sécurité|sociale",
                (15, 16): """numéro|de|carte numéro|de|ma|carte numéro|de|la|carte carte|est carte|bancaire|est
                    carte|bleue|est""",
                (4, 6): "pin",
                (4, 4): "quatre|derniers finit|par termine|par",
                (3, 4): "code|de|sécurité cryptogramme",
                (6, 8): "date|de|naissance",
                (1, 3): "numéro|de|chambre",
            },
            counted="""chambre porte vol page chapitre ligne bus voie quai étage table place rangée coûte coûtent payé
                paie veux voudrais ai j'ai avons environ presque plus|de moins|de près|de besoin|de depuis jusqu'à
                jusqu'en de en dans à pour par avec sommes étions sont étaient vers taille année fait prix|est
                total|est""",
        ),
    ),
}
LONGEST_PHRASE = 4  # words
