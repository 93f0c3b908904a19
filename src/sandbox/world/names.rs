//! Names for invented people, from many parts of the world, and the plain letters of a sign-in name.

use unicode_normalization::UnicodeNormalization;

use crate::sandbox::portraits::{Appearance, Covering, Presentation};
use crate::sandbox::random::Random;

/// Given and family names that go together.
struct Tongue {
    feminine: &'static [&'static str],
    masculine: &'static [&'static str],
    family: &'static [&'static str],
    family_first: bool,
}

const fn tongue(
    feminine: &'static [&'static str],
    masculine: &'static [&'static str],
    family: &'static [&'static str],
) -> Tongue {
    Tongue {
        feminine,
        masculine,
        family,
        family_first: false,
    }
}

static ENGLISH: Tongue = tongue(
    &[
        "Alice",
        "Amelia",
        "Beth",
        "Charlotte",
        "Eleanor",
        "Emma",
        "Florence",
        "Grace",
        "Harriet",
        "Imogen",
        "Joan",
        "Kate",
        "Lucy",
        "Megan",
        "Niamh",
        "Olivia",
        "Poppy",
        "Rosalind",
        "Sarah",
        "Tess",
        "Violet",
        "Zara",
    ],
    &[
        "Adam", "Alan", "Ben", "Callum", "David", "Edward", "Finn", "George", "Harry", "Isaac", "Jack",
        "Liam", "Max", "Nathan", "Oliver", "Patrick", "Rory", "Samuel", "Tom", "Victor", "Will", "Zachary",
    ],
    &[
        "Abbott",
        "Ashworth",
        "Barlow",
        "Bell",
        "Carter",
        "Doyle",
        "Ellis",
        "Fletcher",
        "Gallagher",
        "Harding",
        "Hughes",
        "Kendrick",
        "Lawson",
        "MacLeod",
        "Murphy",
        "Nolan",
        "Pemberton",
        "Quinn",
        "Reeves",
        "Sinclair",
        "Thatcher",
        "Underwood",
        "Walsh",
        "Whitaker",
        "Yates",
    ],
);
static AMERICAN: Tongue = tongue(
    &[
        "Aaliyah", "Brianna", "Denise", "Ebony", "Gloria", "Imani", "Jasmine", "Keisha", "Latoya", "Maya",
        "Naomi", "Simone", "Tamika", "Vanessa", "Whitney", "Yolanda",
    ],
    &[
        "Andre", "Byron", "Calvin", "Darnell", "Elijah", "Isaiah", "Jamal", "Jerome", "Malcolm", "Marcus",
        "Otis", "Quincy", "Reggie", "Terrence", "Tyrone", "Wesley",
    ],
    &[
        "Banks",
        "Booker",
        "Coleman",
        "Dorsey",
        "Franklin",
        "Gaines",
        "Hayes",
        "Jefferson",
        "Lyons",
        "Mosley",
        "Randolph",
        "Rollins",
        "Simmons",
        "Tubman",
        "Washington",
        "Whitfield",
    ],
);
static GERMAN: Tongue = tongue(
    &[
        "Anke",
        "Birgit",
        "Clara",
        "Elke",
        "Franziska",
        "Greta",
        "Heike",
        "Ingrid",
        "Jule",
        "Katharina",
        "Lena",
        "Marlene",
        "Nele",
        "Petra",
        "Sabine",
        "Ute",
    ],
    &[
        "Anton",
        "Bernd",
        "Christoph",
        "Dieter",
        "Emil",
        "Florian",
        "Gerhard",
        "Heiko",
        "Jürgen",
        "Konrad",
        "Lukas",
        "Matthias",
        "Norbert",
        "Ralf",
        "Sebastian",
        "Uwe",
    ],
    &[
        "Bauer", "Brandt", "Dietrich", "Fuchs", "Groß", "Hoffmann", "Jäger", "Kühn", "Lindner", "Möller",
        "Neumann", "Pohl", "Richter", "Schäfer", "Vogel", "Weiß", "Ziegler",
    ],
);
static FRENCH: Tongue = tongue(
    &[
        "Adèle",
        "Béatrice",
        "Camille",
        "Chloé",
        "Élodie",
        "Françoise",
        "Hélène",
        "Inès",
        "Juliette",
        "Léa",
        "Manon",
        "Margaux",
        "Noémie",
        "Océane",
        "Sylvie",
        "Zoé",
    ],
    &[
        "Antoine",
        "Baptiste",
        "Cédric",
        "Étienne",
        "François",
        "Gaël",
        "Hugo",
        "Jérôme",
        "Luc",
        "Mathieu",
        "Noël",
        "Olivier",
        "Pascal",
        "Rémi",
        "Théo",
        "Yves",
    ],
    &[
        "Aubert",
        "Besson",
        "Chevalier",
        "Dubois",
        "Fournier",
        "Garnier",
        "Laurent",
        "Lefèvre",
        "Marchand",
        "Moreau",
        "Noël",
        "Pelletier",
        "Renaud",
        "Rousseau",
        "Tessier",
        "Vidal",
    ],
);
static IBERIAN: Tongue = tongue(
    &[
        "Alba", "Beatriz", "Carmen", "Catarina", "Dolores", "Elena", "Fernanda", "Inés", "Joana", "Lucía",
        "Marisol", "Nuria", "Paloma", "Rocío", "Sofía", "Ximena",
    ],
    &[
        "Alejandro",
        "Bruno",
        "Carlos",
        "Diego",
        "Esteban",
        "Gonçalo",
        "Héctor",
        "Ignacio",
        "Javier",
        "João",
        "Mateo",
        "Nuno",
        "Pablo",
        "Rafael",
        "Santiago",
        "Tomás",
    ],
    &[
        "Álvarez", "Barros", "Castillo", "Delgado", "Esteves", "Fonseca", "García", "Herrera", "Iglesias",
        "Muñoz", "Navarro", "Ortega", "Peña", "Ramírez", "Salazar", "Teixeira", "Vargas",
    ],
);
static ITALIAN: Tongue = tongue(
    &[
        "Alessia",
        "Bianca",
        "Chiara",
        "Donatella",
        "Elisa",
        "Federica",
        "Giulia",
        "Ilaria",
        "Lucrezia",
        "Martina",
        "Ornella",
        "Serena",
    ],
    &[
        "Alessandro",
        "Carlo",
        "Davide",
        "Enzo",
        "Fabio",
        "Giovanni",
        "Lorenzo",
        "Marco",
        "Niccolò",
        "Paolo",
        "Stefano",
        "Umberto",
    ],
    &[
        "Bellini",
        "Caruso",
        "Conti",
        "D'Angelo",
        "Esposito",
        "Ferrara",
        "Galli",
        "Lombardi",
        "Marchetti",
        "Ricci",
        "Santoro",
        "Vitale",
    ],
);
static NORDIC: Tongue = tongue(
    &[
        "Astrid", "Bodil", "Elin", "Freja", "Gudrun", "Hanna", "Ingeborg", "Kaisa", "Liv", "Maja", "Sigrid",
        "Tuva", "Viveka", "Åsa",
    ],
    &[
        "Aksel", "Bjørn", "Eero", "Gustav", "Halvard", "Jørgen", "Kåre", "Lars", "Mikael", "Nils", "Olof",
        "Søren", "Torsten", "Vidar",
    ],
    &[
        "Andersen",
        "Bergström",
        "Dahl",
        "Ekholm",
        "Fjeld",
        "Grønvold",
        "Håkansson",
        "Jokinen",
        "Kjær",
        "Lindqvist",
        "Mäkinen",
        "Nygård",
        "Öberg",
        "Sørensen",
        "Thorvaldsen",
        "Virtanen",
    ],
);
static SLAVIC: Tongue = tongue(
    &[
        "Agnieszka",
        "Bohdana",
        "Daria",
        "Ewa",
        "Halina",
        "Ivana",
        "Jana",
        "Kateřina",
        "Ludmila",
        "Milena",
        "Nadia",
        "Oksana",
        "Radka",
        "Svitlana",
        "Vesna",
        "Zuzana",
    ],
    &[
        "Andrij",
        "Bogdan",
        "Dušan",
        "Filip",
        "Grzegorz",
        "Igor",
        "Jakub",
        "Kamil",
        "Łukasz",
        "Miroslav",
        "Nikola",
        "Ondřej",
        "Piotr",
        "Stanislav",
        "Tomasz",
        "Zdeněk",
    ],
    &[
        "Bondarenko",
        "Černák",
        "Dvořák",
        "Gajda",
        "Horvat",
        "Jovanović",
        "Kowalczyk",
        "Król",
        "Marković",
        "Novák",
        "Petrenko",
        "Skála",
        "Szymański",
        "Wójcik",
        "Zelenko",
        "Żak",
    ],
);
static GREEK: Tongue = tongue(
    &[
        "Aspasia", "Dimitra", "Eleni", "Foteini", "Ioanna", "Katerina", "Melina", "Sofia", "Thaleia",
        "Vasiliki",
    ],
    &[
        "Alexandros",
        "Christos",
        "Dimitris",
        "Ilias",
        "Kostas",
        "Leonidas",
        "Nikos",
        "Panos",
        "Spyros",
        "Yannis",
    ],
    &[
        "Angelou",
        "Dimou",
        "Georgiou",
        "Ioannidis",
        "Kanellos",
        "Markou",
        "Nikolaidis",
        "Pappas",
        "Stavrou",
        "Vlachos",
    ],
);
static TURKISH: Tongue = tongue(
    &[
        "Ayşe", "Belgin", "Ceren", "Defne", "Elif", "Gülşen", "Hatice", "İpek", "Merve", "Nilüfer", "Şebnem",
        "Zeynep",
    ],
    &[
        "Ahmet", "Burak", "Cem", "Emre", "Ferhat", "Gökhan", "Halil", "İbrahim", "Kerem", "Murat", "Onur",
        "Yusuf",
    ],
    &[
        "Aydın", "Bozkurt", "Çelik", "Demir", "Erdoğan", "Güneş", "Kaya", "Özdemir", "Şahin", "Tekin",
        "Ünal", "Yıldız",
    ],
);
static ARABIC: Tongue = tongue(
    &[
        "Aisha", "Amal", "Dina", "Fatima", "Hanan", "Huda", "Iman", "Khadija", "Layla", "Mariam", "Nour",
        "Rania", "Salma", "Samira", "Yasmin", "Zainab",
    ],
    &[
        "Ahmad", "Bilal", "Faisal", "Hamza", "Hassan", "Ibrahim", "Jamil", "Karim", "Khalid", "Mahmoud",
        "Nabil", "Omar", "Rashid", "Samir", "Tariq", "Youssef",
    ],
    &[
        "Abbas", "Al-Farsi", "Amin", "Bakr", "Darwish", "El-Masri", "Fawzi", "Haddad", "Hijazi", "Khoury",
        "Mansour", "Najjar", "Qasim", "Saleh", "Shaheen", "Zaman",
    ],
);
static PERSIAN: Tongue = tongue(
    &[
        "Azadeh", "Darya", "Farzaneh", "Golnaz", "Leila", "Mahsa", "Niloufar", "Parisa", "Shirin", "Yasaman",
    ],
    &[
        "Arash", "Behrouz", "Dariush", "Farhad", "Hamid", "Kamran", "Mehdi", "Navid", "Reza", "Siavash",
    ],
    &[
        "Ahmadi", "Farahani", "Hosseini", "Jafari", "Karimi", "Moradi", "Rahimi", "Sadeghi", "Tehrani",
        "Zand",
    ],
);
static INDIAN: Tongue = tongue(
    &[
        "Aditi", "Ananya", "Deepika", "Gauri", "Ishita", "Kavya", "Lakshmi", "Meera", "Nandini", "Pooja",
        "Priya", "Radha", "Sneha", "Tanvi", "Usha", "Vidya",
    ],
    &[
        "Aarav", "Arjun", "Dev", "Ganesh", "Harsh", "Karthik", "Manoj", "Nikhil", "Pranav", "Rahul", "Rohan",
        "Sanjay", "Suresh", "Varun", "Vikram", "Vivek",
    ],
    &[
        "Acharya",
        "Banerjee",
        "Chatterjee",
        "Desai",
        "Gupta",
        "Iyer",
        "Joshi",
        "Kulkarni",
        "Mehta",
        "Nair",
        "Patel",
        "Rao",
        "Reddy",
        "Sharma",
        "Trivedi",
        "Verma",
    ],
);
static PUNJABI: Tongue = tongue(
    &[
        "Amrit", "Gurleen", "Harpreet", "Jasleen", "Kiran", "Manpreet", "Navneet", "Simran",
    ],
    &[
        "Amarjit",
        "Baljit",
        "Gurpreet",
        "Harjit",
        "Jaspal",
        "Kulwinder",
        "Manjit",
        "Navdeep",
        "Ranjit",
        "Sukhdev",
    ],
    &[
        "Ahluwalia",
        "Bains",
        "Dhillon",
        "Gill",
        "Grewal",
        "Sandhu",
        "Sidhu",
        "Singh",
        "Sohal",
        "Virk",
    ],
);
static CHINESE: Tongue = tongue(
    &[
        "Fang", "Hui", "Jing", "Lan", "Li Na", "Mei", "Qing", "Shu", "Xiaoyan", "Xue", "Yan", "Ying", "Yue",
        "Zhen",
    ],
    &[
        "Bo", "Chen", "Feng", "Guang", "Hao", "Jian", "Jun", "Lei", "Ming", "Peng", "Tao", "Wei", "Xin",
        "Yong",
    ],
    &[
        "Cao", "Deng", "Gao", "Huang", "Jiang", "Lin", "Liu", "Lü", "Qian", "Shen", "Sun", "Tang", "Wang",
        "Xu", "Zhang", "Zhou",
    ],
);
static JAPANESE: Tongue = tongue(
    &[
        "Akiko", "Chihiro", "Emi", "Hana", "Kaori", "Mai", "Naoko", "Rin", "Sakura", "Tomoko", "Yui", "Yuki",
    ],
    &[
        "Akira", "Daisuke", "Haruto", "Hiroshi", "Kaito", "Kenji", "Makoto", "Ren", "Satoshi", "Shō",
        "Takumi", "Yūta",
    ],
    &[
        "Fujita",
        "Hayashi",
        "Ishikawa",
        "Kobayashi",
        "Matsuda",
        "Mori",
        "Nakamura",
        "Ōno",
        "Saitō",
        "Tanaka",
        "Watanabe",
        "Yamada",
    ],
);
static KOREAN: Tongue = Tongue {
    feminine: &[
        "Bo-ra", "Da-eun", "Eun-ji", "Ha-na", "Ji-woo", "Min-seo", "Seo-yeon", "Soo-jin", "Ye-jin", "Yuna",
    ],
    masculine: &[
        "Dong-hyun",
        "Hyun-woo",
        "Jae-min",
        "Ji-ho",
        "Joon",
        "Min-jun",
        "Sang-woo",
        "Seung-ho",
        "Tae-yang",
        "Woo-jin",
    ],
    family: &[
        "Ahn", "Bae", "Choi", "Han", "Jang", "Jung", "Kang", "Kim", "Lee", "Park", "Seo", "Yoon",
    ],
    family_first: true,
};
static VIETNAMESE: Tongue = Tongue {
    feminine: &[
        "Ánh", "Diệp", "Hằng", "Hương", "Lan", "Linh", "Mai", "Ngọc", "Thảo", "Tuyết", "Vy", "Yến",
    ],
    masculine: &[
        "An", "Bảo", "Dũng", "Đức", "Hải", "Hùng", "Khoa", "Long", "Minh", "Quân", "Tuấn", "Việt",
    ],
    family: &[
        "Bùi", "Đặng", "Đỗ", "Hoàng", "Lê", "Lý", "Ngô", "Nguyễn", "Phạm", "Phan", "Trần", "Vũ",
    ],
    family_first: true,
};
static MALAY: Tongue = tongue(
    &[
        "Aisyah", "Citra", "Dewi", "Farah", "Indah", "Kartika", "Melati", "Nurul", "Putri", "Ratna", "Sari",
        "Wulan",
    ],
    &[
        "Adi", "Agus", "Bayu", "Budi", "Eko", "Faizal", "Hafiz", "Iskandar", "Joko", "Rizal", "Surya",
        "Wahyu",
    ],
    &[
        "Abdullah", "Halim", "Hartono", "Ismail", "Kusuma", "Lestari", "Nugroho", "Osman", "Pratama",
        "Rahman", "Santoso", "Wijaya",
    ],
);
static WEST_AFRICAN: Tongue = tongue(
    &[
        "Abena",
        "Adaeze",
        "Adwoa",
        "Amina",
        "Aminata",
        "Chiamaka",
        "Efua",
        "Fatou",
        "Folake",
        "Ifeoma",
        "Ngozi",
        "Ọmọlará",
        "Temitope",
        "Yetunde",
    ],
    &[
        "Babajide", "Chinedu", "Emeka", "Femi", "Ibrahima", "Kofi", "Kwame", "Mamadou", "Obinna", "Olumide",
        "Ousmane", "Segun", "Tunde", "Yaw",
    ],
    &[
        "Achebe", "Adeyemi", "Asante", "Balogun", "Boateng", "Diallo", "Eze", "Keïta", "Mensah", "Ndiaye",
        "Nwosu", "Okafor", "Okonkwo", "Owusu", "Sow", "Traoré",
    ],
);
static EAST_AFRICAN: Tongue = tongue(
    &[
        "Abeba", "Akinyi", "Eden", "Hodan", "Liya", "Makena", "Neema", "Saba", "Wanjiru", "Zawadi",
    ],
    &[
        "Abel", "Dawit", "Jabari", "Kamau", "Kiprono", "Otieno", "Samuel", "Tesfaye", "Yohannes", "Zuberi",
    ],
    &[
        "Abdi", "Bekele", "Haile", "Kariuki", "Kiplagat", "Mwangi", "Njoroge", "Odhiambo", "Tadesse", "Wolde",
    ],
);
static SOUTHERN_AFRICAN: Tongue = tongue(
    &[
        "Ayanda", "Busisiwe", "Kagiso", "Lerato", "Naledi", "Nomvula", "Palesa", "Rudo", "Thandeka", "Zanele",
    ],
    &[
        "Bongani", "Farai", "Kabelo", "Lwazi", "Mandla", "Sipho", "Tatenda", "Thabo", "Themba", "Zola",
    ],
    &[
        "Chikwanha",
        "Dlamini",
        "Khumalo",
        "Mabaso",
        "Mokoena",
        "Moyo",
        "Ndlovu",
        "Nkosi",
        "Sithole",
        "Zulu",
    ],
);
static BRAZILIAN: Tongue = tongue(
    &[
        "Ana Clara",
        "Bruna",
        "Débora",
        "Gabriela",
        "Iara",
        "Juliana",
        "Larissa",
        "Mariana",
        "Patrícia",
        "Raíssa",
        "Tainá",
        "Vitória",
    ],
    &[
        "Anderson",
        "Caio",
        "Danilo",
        "Felipe",
        "Gustavo",
        "Heitor",
        "Leandro",
        "Márcio",
        "Otávio",
        "Rogério",
        "Thiago",
        "Vinícius",
    ],
    &[
        "Almeida",
        "Araújo",
        "Barbosa",
        "Cardoso",
        "da Silva",
        "dos Santos",
        "Figueiredo",
        "Gonçalves",
        "Lima",
        "Magalhães",
        "Oliveira",
        "Ribeiro",
    ],
);
static PACIFIC: Tongue = tongue(
    &[
        "Anahera", "Kalena", "Leilani", "Mele", "Moana", "Ngaire", "Sina", "Tiare",
    ],
    &[
        "Iosefa", "Kahu", "Keoni", "Manaia", "Nikau", "Rangi", "Sione", "Tāne",
    ],
    &[
        "Faleolo",
        "Kahananui",
        "Latu",
        "Ngata",
        "Parata",
        "Tamihana",
        "Tuilagi",
        "Vaipulu",
    ],
);
static HEBREW: Tongue = tongue(
    &[
        "Adina", "Dalia", "Hadas", "Michal", "Noa", "Orly", "Rivka", "Shira", "Tamar", "Yael",
    ],
    &[
        "Amit", "Avi", "Eitan", "Gilad", "Ilan", "Noam", "Omri", "Tal", "Uri", "Yonatan",
    ],
    &[
        "Ben-Ami", "Cohen", "Dayan", "Golan", "Katz", "Levi", "Mizrahi", "Peretz", "Rosen", "Shapira",
    ],
);

/// Which names go with which faces. Not a rule about the world, only a way to avoid odd pairs; one in eight people is
/// named from the whole list.
fn tongue_for(appearance: &Appearance, random: &mut Random) -> &'static Tongue {
    match appearance.covering {
        Covering::Turban => return &PUNJABI,
        Covering::Hijab => {
            return random.weighted(&[
                (&ARABIC, 40),
                (&TURKISH, if appearance.tone < 5 { 15 } else { 0 }),
                (&MALAY, if appearance.tone < 6 { 20 } else { 0 }),
                (&WEST_AFRICAN, if appearance.tone > 4 { 25 } else { 0 }),
                (&EAST_AFRICAN, if appearance.tone > 4 { 20 } else { 0 }),
            ]);
        }
        _ => {}
    }
    let tone = if random.percent(12) {
        random.below(8) as u8
    } else {
        appearance.tone
    };
    match tone {
        0 | 1 => random.weighted(&[
            (&ENGLISH, 26),
            (&GERMAN, 14),
            (&FRENCH, 12),
            (&NORDIC, 14),
            (&SLAVIC, 14),
            (&ITALIAN, 6),
            (&IBERIAN, 4),
            (&HEBREW, 4),
            (&JAPANESE, 3),
            (&KOREAN, 3),
        ]),
        2 | 3 => random.weighted(&[
            (&CHINESE, 16),
            (&JAPANESE, 10),
            (&KOREAN, 8),
            (&VIETNAMESE, 8),
            (&IBERIAN, 14),
            (&ITALIAN, 8),
            (&GREEK, 6),
            (&TURKISH, 8),
            (&PERSIAN, 6),
            (&ARABIC, 6),
            (&BRAZILIAN, 6),
            (&HEBREW, 4),
        ]),
        4 | 5 => random.weighted(&[
            (&INDIAN, 34),
            (&PUNJABI, 6),
            (&MALAY, 12),
            (&BRAZILIAN, 14),
            (&ARABIC, 8),
            (&PACIFIC, 8),
            (&AMERICAN, 12),
            (&IBERIAN, 6),
        ]),
        _ => random.weighted(&[
            (&WEST_AFRICAN, 34),
            (&EAST_AFRICAN, 18),
            (&SOUTHERN_AFRICAN, 18),
            (&AMERICAN, 20),
            (&INDIAN, 6),
            (&ENGLISH, 4),
        ]),
    }
}

/// A made-up person's name in its parts.
pub(super) struct Name {
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    family_first: bool,
}

impl Name {
    /// A name that goes with the face.
    pub(super) fn invent(appearance: &Appearance, random: &mut Random) -> Self {
        let tongue = tongue_for(appearance, random);
        let given = match appearance.presentation {
            Presentation::Feminine => tongue.feminine,
            Presentation::Masculine => tongue.masculine,
        };
        Self {
            given: random.pick(given),
            family: random.pick(tongue.family),
            // Some write their name the way the rest of the company does.
            family_first: tongue.family_first && random.percent(60),
        }
    }

    /// The name as it is displayed.
    pub(super) fn display(&self) -> String {
        if self.family_first {
            format!("{} {}", self.family, self.given)
        } else {
            format!("{} {}", self.given, self.family)
        }
    }

    /// `given.family` in the letters a sign-in name may have (`entra.md` 2.3: no accents).
    pub(super) fn sign_in(&self) -> String {
        format!("{}.{}", plain(self.given), plain(self.family))
    }
}

/// Lower-case letters from a to z: accents removed, special letters spelt out, everything else left out.
pub(super) fn plain(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    for character in text.nfkd().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' | '0'..='9' => letters.push(character),
            'ß' => letters.push_str("ss"),
            'ø' => letters.push('o'),
            'æ' => letters.push_str("ae"),
            'ł' => letters.push('l'),
            'đ' | 'ð' => letters.push('d'),
            'ı' => letters.push('i'),
            'þ' => letters.push_str("th"),
            _ => {}
        }
    }
    letters
}

/// Names that try a program: each list belongs to one kind of planted person.
pub(super) const MARKS: [&str; 4] = [
    "Zoe\u{308} A\u{30a}ngstro\u{308}m",
    "Tha\u{309}o Nguye\u{302}\u{303}n",
    "Z\u{337}\u{310}\u{301}\u{302}\u{304}\u{30c}a\u{337}\u{311}\u{308}\u{301}l\u{336}\u{313}g\u{335}\u{343}o\u{336}\u{344} Stack",
    "S\u{327}u\u{308}kru\u{308} C\u{327}elik",
];
pub(super) const RIGHT_TO_LEFT: [&str; 4] = [
    "نورا الحسن",
    "יעל כהן",
    "Omar \u{202e}gpj.exe\u{202c} Haddad",
    "\u{2067}ليلى\u{2069} Mansour",
];
pub(super) const WIDE: [&str; 4] = [
    "山田 花子",
    "김 민준",
    "Ｗｉｄｅ Ｌｅｔｔｅｒｓ",
    "欧阳 娜娜 (Nana Ouyang)",
];
pub(super) const EMOJI: [&str; 4] = ["Jo 👩‍🚀 Park", "Sam 👨‍👩‍👧‍👦 Rivera", "Kai 🏳️‍🌈 Moana 🇳🇿", "Lu 👍🏽 Zhang ☕️"];
pub(super) const CONTROLS: [&str; 6] = [
    "Mallory \u{1b}[31mRed\u{1b}[0m",
    "Trent \u{1b}]0;owned\u{7} Bell",
    "Wendy\tTab\r\nBreak",
    "Eve \u{9b}2J\u{8}\u{7f} Clear",
    "Peggy \u{1b}]8;;https://evil.example/\u{1b}\\Link",
    "=HYPERLINK(\"https://evil.example/\";\"Sybil\")\u{0}",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_names_have_plain_letters() {
        for (text, expected) in [
            ("Jürgen", "jurgen"),
            ("Groß", "gross"),
            ("Łukasz", "lukasz"),
            ("Bjørn", "bjorn"),
            ("Đỗ", "do"),
            ("İpek", "ipek"),
            ("Yıldız", "yildiz"),
            ("D'Angelo", "dangelo"),
            ("dos Santos", "dossantos"),
            ("Ọmọlará", "omolara"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
