"""The words that `text.py` draws from: a slot grammar of English, and sentences in other languages. Data, no code.

A slot `<noun>` is filled by any entry under "noun", which may hold slots itself; what stands twice is drawn twice as
often. All of it was written for this file. The keys of OTHER_LANGUAGES are espeak-ng's language tags.
"""

from __future__ import annotations

GRAMMAR: dict[str, tuple[str, ...]] = {
    "sentence": (
        "<claim>.", "<claim>.", "<claim>, and <claim>.", "<claim>, but <claim>.", "<question>?", "<question>?",
        "<order>.", "<order>, please.", "<order>, and <order>!", "<shout>! <claim>.", "<shout>, <claim>.",
        "<when>, <claim>.", "<if>, <claim>.", "<claim>, because <claim>.", '"<claim>," said <name>.',
        "<name>, <order>.", "<claim>; <claim>.", "<name>, <name> and <name> <past> <place>.",
        "<number> <things>, <number> <things> and <thing>.", "<claim> <when>.", "No, <claim>.",
        "Maybe <claim>, maybe not.", "<thing>? <shout>!",
    ),
    "claim": (
        "<who> <past> <thing>", "<who> <past> <thing> <place>", "<who> <adverb> <past> <thing>",
        "<who> will <verb> <thing>", "<who> never <past> <thing> <place>", "<thing> was <adj> and <adj>",
        "there were <number> <things> <place>", "<who> wants to <verb> <thing>",
        "<who> saw <who> <verb> <thing>", "<things> are <adj>", "my <noun> is <adj>",
        "<who> gave <name> <thing>", "nobody knew why <who> <past> <thing>", "<thing> fell <place>",
        "it was <adj> <place>", "<who> bought <number> <adj> <things>", "we both <past> <thing>",
    ),
    "question": (
        "did <who> <verb> <thing>", "who <past> <thing>", "why would <who> <verb> <thing>", "where is <thing>",
        "how many <things> are <place>", "may I <verb> <thing>", "could you <verb> <thing> <when>",
        "is <thing> <adj>", "what if <who> <past> <thing>", "whose <noun> is <place>",
        "have you ever been <place>", "which <noun> is <adj>",
    ),
    "order": (
        "<verb> <thing>", "<verb> <thing> <place>", "don't <verb> <thing>", "put <thing> <place>",
        "bring me <thing>", "move <thing> <place>", "please <verb> <thing>", "keep <thing> <adj>",
        "leave <thing> <place>", "watch <who>", "never <verb> <thing> <place>",
        "show <name> how to <verb> <thing>", "stop, or I will <verb> <thing>",
    ),
    "if": (
        "if <who> can <verb> <thing>", "when <who> <past> <thing>", "before <who> <past> <thing>",
        "unless <thing> is <adj>",
    ),
    "who": (
        "<name>", "<name>", "my mother", "my <adj> uncle", "the <adj> <person>", "the <person>", "a <person>",
        "Bob and Pam", "somebody", "everyone", "we", "they", "you", "<name>'s brother", "our <person>",
        "both of them", "the <person> from <town>",
    ),
    "thing": (
        "the <noun>", "the <adj> <noun>", "a <conson> <noun>", "my <noun>", "your <adj> <noun>", "some <mass>",
        "<name>'s <noun>", "<number> <things>", "that <noun>", "every <noun>", "the <noun> of <town>",
        "the <noun> and the <noun>", "too much <mass>", "a bit of <mass>", "the <conson>, <adj> <noun>",
    ),
    "things": (
        "apples", "bumps", "lamps", "pumps", "mops", "cubs", "shops", "bombs", "mobs", "plums", "pups", "moths",
        "boats", "wolves", "shoes", "leaves", "knives", "waves", "fish", "foxes", "watches", "thumbs", "maps",
        "buttons", "puppets", "wheels", "mushrooms", "onions", "oranges", "ships", "stamps", "vans", "fathers",
        "robots", "bubbles", "rooms", "moons", "rules",
    ),
    "noun": (
        "pump", "map", "bump", "lamp", "mop", "puppy", "baby", "bumper", "puppet", "bubble", "table", "pebble",
        "poem", "album", "thumb", "bomb", "jam jar", "bathroom", "mushroom", "moon", "boot", "spoon", "shoe",
        "wheel", "whistle", "window", "wolf", "fox", "vase", "van", "knife", "leaf", "coffee pot", "river",
        "violin", "feather", "elephant", "photograph", "valley", "owl", "tower", "oyster", "boy", "house",
        "cloud", "judge", "church", "bridge", "fish", "beach", "measure", "pleasure boat", "television",
        "garage", "wooden box", "rope", "soap", "home", "road", "stone", "yacht", "union", "year book",
        "ice cube", "apple pie", "eye", "ear", "arm", "oven", "uncle's umbrella", "path", "bath", "breath",
        "cup", "ship", "shop", "stamp", "mob",
    ),
    "mass": (
        "pepper", "butter", "bread", "milk", "ham", "maple syrup", "water", "wool", "wood", "food", "coffee",
        "flour", "foam", "popcorn", "vanilla", "fruit", "juice", "smoke", "rubber", "music", "trouble",
        "bubble wrap", "mud", "steam", "bamboo",
    ),
    "person": (
        "plumber", "barber", "baker", "bishop", "poet", "mayor", "farmer", "mother", "father", "professor",
        "swimmer", "butcher", "pilot", "painter", "boxer", "waiter", "wizard", "fisherman", "vet", "judge",
        "teacher", "member of the club", "chef", "prime minister", "police officer", "shoemaker", "drummer",
        "witch", "composer", "beekeeper", "neighbour",
    ),
    "name": (
        "Bob", "Pam", "Mia", "Ben", "Bella", "Peter", "Emma", "Molly", "Paul", "Abby", "Philip", "Vivian",
        "Walter", "Sue", "Joe", "Ruth", "Hugo", "Fiona", "Owen", "Zoe", "Theo", "George", "Naomi", "Ivy",
        "Adam", "Oscar", "Yvonne", "Mabel", "Tom", "Kim", "Sam", "Bram", "Pippa", "Jim", "Beth", "Leo", "Una",
        "Wendy",
    ),
    "town": (
        "Bombay", "Memphis", "Paris", "Boston", "Vienna", "Warsaw", "Lima", "Oxford", "Budapest", "Miami",
        "Plymouth", "Palermo", "Havana", "Cambridge", "Bern", "Cuba", "Peru", "Mumbai", "Baltimore", "Africa",
        "Weymouth",
    ),
    "adj": (
        "<conson>", "<conson>", "awful", "empty", "improbable", "over-ripe", "old", "open", "upper", "ample",
        "important", "abrupt", "even", "amber", "impossible", "amusing", "ugly", "early", "orange", "uneven",
    ),
    "conson": (
        "big", "blue", "purple", "plump", "humble", "simple", "numb", "damp", "warm", "calm", "cheap", "deep",
        "famous", "five-part", "brave", "rough", "smooth", "white", "wobbly", "wet", "woolly", "yellow",
        "brown", "beautiful", "bumpy", "broken", "public", "proper", "marble", "mobile", "private", "modern",
        "mild", "poor", "pure", "perfect", "favourite", "thick", "third", "new", "rude", "round", "short",
        "sharp", "loud", "loose", "huge", "good", "full", "small", "tall", "strong", "slow", "fresh",
    ),
    "verb": (
        "pump", "bump", "move", "push", "pull", "paint", "bring", "buy", "bite", "break", "beat", "map",
        "remember", "mumble about", "climb", "wipe", "shape", "grab", "rub", "describe", "name", "blame",
        "trim", "hum to", "warm", "swim past", "jump over", "stop", "drop", "keep", "wrap", "mop", "help",
        "leave", "save", "find", "fix", "love", "prove", "wash", "watch", "want", "whisper to", "weave",
        "choose", "shoot", "show", "throw", "use", "view", "measure", "visit", "avoid", "enjoy", "allow",
        "unwrap", "empty", "open", "obey", "follow", "improve", "forgive", "believe in", "look for", "cook",
        "book", "squeeze",
    ),
    "past": (
        "pumped", "bumped", "moved", "pushed", "pulled", "painted", "brought", "bought", "bit", "broke", "beat",
        "mapped", "remembered", "mumbled about", "climbed", "wiped", "shaped", "grabbed", "rubbed", "described",
        "blamed", "trimmed", "hummed to", "swam past", "jumped over", "stopped", "dropped", "kept", "wrapped",
        "mopped", "helped", "left", "saved", "found", "fixed", "loved", "proved", "washed", "watched", "wanted",
        "wove", "chose", "shot", "showed", "threw", "used", "viewed", "measured", "visited", "avoided",
        "enjoyed", "opened", "followed", "improved", "forgave", "looked for", "felt", "put away", "made",
        "became", "combed", "sampled", "tumbled over", "gobbled up", "promised",
    ),
    "adverb": (
        "barely", "probably", "simply", "maybe", "bravely", "promptly", "humbly", "often", "always", "finally",
        "quickly", "slowly", "warmly", "usually", "sometimes", "abruptly", "of course", "soon", "possibly",
        "firmly", "happily",
    ),
    "place": (
        "by the pump", "under the bridge", "in the bathroom", "on top of the map", "behind the pub",
        "above the bay", "in <town>", "near <town>", "at home", "below the lamp", "from the shop",
        "in the warm room", "by the pool", "over the roof", "between the boxes", "off the boat", "in the woods",
        "among the bushes", "up the path", "on my thumb", "beside the pond", "at the opera",
        "in front of the museum", "on the moon", "out of the window", "past the farm", "through the swamp",
    ),
    "when": (
        "in the morning", "before bed", "on Monday", "by midnight", "at half past <small>",
        "in <number> months", "at lunch time", "every September", "after breakfast", "this afternoon",
        "by the way", "from time to time", "in November", "at bedtime", "on the <small>th of March",
        "last week", "whenever it rains",
    ),
    "shout": (
        "Oh wow", "Oops", "Mama", "Papa", "Bravo", "Help", "Wow", "Yum yum", "Oh my", "Boo", "Phew", "Whoa",
        "Hmm", "Bye bye", "Well", "Hush", "Yes", "Please", "Poof",
    ),
    "small": ("four", "five", "six", "seven", "nine", "ten"),
    "number": (
        "two", "four", "five", "seven", "nine", "twelve", "twenty-four", "forty-five", "ninety", "a dozen",
        "<digits>",
    ),
}  # fmt: skip

OTHER_LANGUAGES: dict[str, tuple[str, ...]] = {
    "de": (
        "Meine Mama backt am Abend Brot mit Butter.", "Der Bub pumpt den Ball auf.",
        "Vier feine Pferde liefen durch den Pfuhl.", "Bitte bring mir fünf blaue Pflaumen.",
        "Über dem Berg blühen schöne Blumen.", "Wo wohnt der böse Wolf?",
        "Am Bahnhof bleibt die Bahn meistens pünktlich.", "Komm bitte pünktlich, sonst ist die Suppe kalt!",
    ),
    "fr-be": (
        "Papa prépare une bonne soupe aux poireaux.", "Ma petite poupée porte une robe bleue.",
        "Le bébé boit beaucoup de lait.", "Venez voir les beaux bateaux du port.",
        "Il pleut un peu, mais on va bien s'amuser.", "Où as-tu mis mon parapluie ?",
        "Une feuille rouge tombe sur le banc.", "Un bon vin blanc, s'il vous plaît !",
    ),
    "es": (
        "Mi mamá me compra un bombón pequeño.", "El pobre burro no puede subir la montaña.",
        "¿Por qué bebes tanta agua?", "Pablo pinta un barco blanco en la pared.",
        "Vamos a ver la película mañana por la tarde.", "La abuela prepara pan y jamón.",
        "Un poco de fruta y buen humor.",
    ),
    "es-419": (
        "Buenos días, mi amiga.", "Mi perro duerme bajo la mesa.",
        "Compramos papas, pepinos y manzanas en el pueblo.",
    ),
    "it": (
        "La mamma prepara la pappa per il bambino.", "Beppe compra un po' di pane e burro.",
        "Piove sempre quando parto.", "Vuoi vedere il mio bel palloncino?", "Il lupo fugge via dalla fattoria.",
        "Buongiorno, mi può aiutare?", "Un uomo buono guarda la luna nuova.",
    ),
    "pt": (
        "O meu pai bebe um pouco de leite.", "A menina bonita pinta um barco.", "Amanhã vamos para a praia.",
        "Bom dia, como vai a família?",
    ),
    "pt-br": (
        "Minha mãe comprou pão e manteiga.", "O bebê brinca com a bola azul.", "Você pode me mostrar o mapa?",
        "Um abraço bem forte, meu amigo!",
    ),
    "nl": (
        "Mijn moeder bakt brood op maandag.", "De boer plukt veel mooie bloemen.",
        "Waarom wil je vandaag buiten eten?", "Vijf vogels vliegen over het huis.",
    ),
    "sv": (
        "Min mamma bakar bröd på morgonen.", "Pojken plockar blåbär vid bäcken.", "Vad vill du äta på fredag?",
    ),
    "pl": (
        "Moja mama piecze pyszny placek.", "Babcia pije herbatę bez mleka.", "Proszę mi podać białą filiżankę.",
        "Wilk biegnie przez wielki las.", "Czy pamiętasz mój pierwszy dom?",
    ),
    "cs": (
        "Maminka peče bábovku.", "Pepa pomalu pije pivo.", "Viděl jsem velkou modrou rybu.",
        "Prosím, pojďte s námi.",
    ),
    "ru": (
        "Моя мама печёт пироги по субботам.", "Папа купил белую рубашку.", "Мы плывём по большой реке.",
        "Почему ты опять опоздал?", "Бабушка любит пить чай с вареньем.", "Волк бежит вдоль опушки.",
    ),
    "uk": ("Моя мама варить борщ.", "Пташка вилетіла в вікно.", "Будь ласка, пиши мені частіше."),
    "tr": (
        "Babam bu sabah pazardan biber aldı.", "Büyük bir vapur limana yanaşıyor.",
        "Ben müzik dinlemeyi çok severim.", "Pembe ayakkabım nerede?",
    ),
    "fi": (
        "Mummo paistaa pullaa.", "Pieni poika piirtää hevosen.", "Minä uin mielelläni kesällä.",
        "Voi, mikä myrsky!",
    ),
    "hu": ("Anyám palacsintát süt vasárnap.", "A piros busz messze van.", "Miért fúj ma a szél?"),
    "el": ("Η μαμά μου φτιάχνει πίτα.", "Ο μπαμπάς πίνει πολύ νερό.", "Φέρε μου το βιβλίο, παρακαλώ."),
    "ro": ("Mama mea pune pâine pe masă.", "Bunica are un pom mare.", "Vreau să beau apă."),
    "cmn": (
        "妈妈买了一个大苹果。", "爸爸跑步去公园。", "我的朋友明天要来吃饭。", "白马飞快地跑过木桥。",
        "请你帮我把门关上。", "外面下雨了，别忘了带雨伞。",
    ),
    "ja": (
        "ぼくはまいあさパンをたべます。", "ままはピアノをひくのがすきです。", "ふゆのうみはとてもさむい。",
        "びょうぶのまえにねこがいます。", "あめがふったら、バスでかえりましょう。",
    ),
    "ko": (
        "엄마는 밥을 먹고 물을 마셔요.", "아빠가 빵을 사 왔어요.", "봄에는 비가 많이 와요.",
        "우리 모두 바다로 갑시다.", "파란 버스를 보았니?",
    ),
    "hi": (
        "मेरा भाई पानी पीता है।", "माँ ने बाज़ार से फल मँगाए।", "बाबा पुराने पेड़ के पास बैठे हैं।",
        "आप मुझे अपना नाम बताइए।", "बहुत बारिश हो रही है।",
    ),
    "sw": (
        "Mama anapika mboga na wali.", "Baba yangu anapenda pombe baridi.",
        "Mbwa mweupe anapita mbele ya nyumba.", "Watoto wanafurahi sana leo.",
    ),
    "id": (
        "Bapak membeli buku baru untuk saya.", "Ibu memasak bubur pada pagi hari.", "Mari kita pulang bersama.",
    ),
    "vi": ("Bà ấy bán bánh mì.", "Mẹ mua một con bò.", "Hôm nay trời mưa to."),
    "ar": ("أمي تحب الموز والبرتقال.", "أبي في البيت مع أخي.", "ما اسمك يا بني؟"),
    "fa": ("مادرم نان و پنیر می خرد.", "بابا آب داد.", "امروز هوا خوب است."),
    "ta": ("அம்மா பழம் வாங்கினார்.", "அப்பா பால் குடித்தார்.", "மழை பெய்கிறது."),
}  # fmt: skip

# Never drawn for a corpus: what students are scored on (`speech_synth --language`).
HELD_OUT: dict[str, tuple[str, ...]] = {
    "cmn": (
        "冰面太薄，不能跑。", "宝宝抱着布娃娃。", "他把苹果放进白色的背包里。", "米饭和馒头，你买哪一样？",
        "我们明天早上八点半出发。", "票卖完了，没办法。", "那匹黑马慢慢地爬上山坡。", "请把杯子摆在桌面上。",
        "妹妹害怕打雷，躲在被子里面。", "秘密不能告诉陌生人。", "门口的保安帮我搬包裹。", "葡萄和芒果都很便宜。",
        "飞机平安地飞过边境。", "他每个礼拜都给父母写信。", "别碰那个玻璃瓶！", "北边的麦田被暴雨淹没了。",
        "盘子破了，没有关系。", "明明白白地说，别骗我。", "小猫趴在木板上晒太阳。", "棉被比毛毯暖和。",
        "班长把报名表发给大家。", "怕什么？跟我一起往前跑！", "半夜有人敲门，把我们吓坏了。",
        "配上白米饭，味道更美妙。", "买票的人排满了马路。", "奶奶编的毛帽很漂亮。", "平时忙，没空陪朋友。",
        "面包店旁边有一棵大梅树。", "保密是我们的本分。", "泡一杯薄荷茶，慢慢品尝。",
    ),
    "de": (
        "Mein Bruder probiert die warme Pastete.", "Am Sonntag besuchen wir Oma im Pfarrhaus.",
        "Pack bitte den Pullover in den braunen Beutel.", "Der Müller mahlt das Mehl am Mühlbach.",
        "Warum bellt der Pudel im Park?", "Sie malte ein buntes Bild mit Pinsel und Farbe.",
        "Im Sommer baden viele Leute im Badesee.", "Ich habe meinen Pass im Bus vergessen.",
        "Zum Abendbrot gab es Bohnen und Speck.", "Pia und Ben bauen eine Burg aus Pappe.",
        "Das Boot schaukelt über die hohen Wogen.", "Du musst den Hebel langsam nach oben schieben.",
        "Bleib ruhig und atme tief durch!", "Die Apotheke macht um sieben Uhr zu.",
        "Am Morgen lag dichter Nebel über dem Moor.", "Niemand wusste, woher das Pochen kam.",
        "Der Zimmermann misst die Balken noch einmal.", "Bewölkt, und am Nachmittag fällt etwas Regen.",
        "Können Sie mir die Lampe reparieren?", "Wir sprachen lange über Musik und Malerei.",
        "Der Papagei im Käfig wiederholt jedes Wort.", "Opa repariert abends gern alte Uhren.",
        "Beim Bäcker war um halb acht alles ausverkauft.", "Gib mir mal den Hammer und ein paar Nägel.",
        "Das Wasser im Topf fing an zu blubbern.", "Bevor du gehst, mach die Fenster zu.",
        "Unser Nachbar pflanzt Tomaten und Paprika.", "Ein kleiner Marienkäfer krabbelt am Blatt empor.",
        "Zum Geburtstag wünsche ich mir ein Puppenhaus.", "Hör auf zu jammern und pack mit an!",
    ),
}  # fmt: skip
