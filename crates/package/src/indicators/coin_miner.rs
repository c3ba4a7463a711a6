//! A program or script that mines cryptocurrency.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "coin-miner",
    technique: "T1496.001",
    advice: "Set the function's reserved concurrency to zero after the snapshot is sealed, and look at what it cost.",
    over: Over::SourceOrElf(&[
        "stratum+",
        "xmrig",
        "cryptonight",
        "CryptoNight",
        "XMRig",
        "RandomX",
        "minerd",
        "donate-level",
        "minexmr",
        "nanopool",
        "supportxmr",
        "coinhive",
        "randomx",
    ]),
    look,
};

static POOL: Pattern = Pattern::new(
    r"stratum\+(?:tcp|ssl|tls)://[A-Za-z0-9]|(?:pool|xmr|gulf|eu|us|asia)[\w\-]{0,20}\.(?:minexmr|supportxmr|nanopool|moneroocean|hashvault|2miners|f2pool)\.\w{2,8}|coinhive\.(?:min\.)?js",
);
static WORDS: &[&[u8]] = &[
    b"xmrig",
    b"XMRig",
    b"cryptonight",
    b"CryptoNight",
    b"donate-level",
    b"randomx",
    b"RandomX",
    b"stratum+tcp",
    b"stratum+ssl",
    b"minerd",
];

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let mut known = WORDS
        .iter()
        .filter_map(|word| memchr::memmem::find(bytes, word).map(|at| at..at + word.len()));
    let hit = |confidence| {
        Hit::new(
            Severity::High,
            confidence,
            format!("{} mines cryptocurrency", scene.path()),
        )
    };
    if let Some(place) = POOL.find(bytes) {
        hits.push(hit(Confidence::High).at(scene, &place));
    } else if let (Some(place), Some(_), Some(_)) = (known.next(), known.next(), known.next()) {
        hits.push(hit(Confidence::Medium).at(scene, &place));
    }
}
