//! What in a package looks like an attack: one file a rule, every rule in [`RULES`].
//!
//! Files pass once ([`Indicators`] is an [`Observer`]). All words that any rule waits for are looked
//! for together, and only rules whose words stand in a file look at it more closely.

mod coin_miner;
mod credential_file;
mod credentials_handed_out;
mod credentials_sent_away;
mod decoded_code_run;
mod disguised_file;
mod downloaded_code_run;
mod exec_wrapper;
mod flow;
mod hidden_source_text;
mod lambda_extension;
mod obfuscated_code;
mod ownership;
mod packed_program;
mod pattern;
mod persistence_file;
mod preload_set;
mod private_key;
mod program_in_script_package;
mod python_startup_hook;
mod reverse_shell;
mod runtime_api_intercepted;
mod scene;
mod shadowing;
mod worker_environment_given_away;

use crate::{Content, Contents, File, Observer};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use ownership::Ownership;
use scene::Scene;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

pub use scene::excerpt;
pub use shadowing::across;

/// Every rule over files.
const RULES: &[&Rule] = &[
    &reverse_shell::RULE,
    &credentials_sent_away::RULE,
    &credentials_handed_out::RULE,
    &worker_environment_given_away::RULE,
    &downloaded_code_run::RULE,
    &decoded_code_run::RULE,
    &obfuscated_code::RULE,
    &coin_miner::RULE,
    &runtime_api_intercepted::RULE,
    &exec_wrapper::RULE,
    &preload_set::RULE,
    &hidden_source_text::RULE,
    &private_key::RULE,
    &lambda_extension::RULE,
    &python_startup_hook::RULE,
    &credential_file::RULE,
    &persistence_file::RULE,
    &disguised_file::RULE,
    &program_in_script_package::RULE,
    &packed_program::RULE,
];

/// How many findings of one rule are written out for one part; the rest are counted.
const MOST_PER_RULE: usize = 25;

/// Bits of rules' second lists of words stand so much higher than those of the first.
const SECOND: usize = 32;

/// How much of one source is read by the rules.
const SOURCE_BYTES: usize = 16 << 20;

/// A thing that is examined as a whole: the function's package, one of its layers, its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The exhibit's name, as findings cite it: `function-code`, `layer-…`.
    pub name: String,
    /// What it is to the function.
    pub role: PartRole,
    /// The function's runtime as Lambda names it (`python3.13`); none if unknown: it is then told
    /// from the files where a rule needs it.
    pub runtime: Option<String>,
    /// The function's handler as Lambda names it (`app.handler`).
    pub handler: Option<String>,
}

/// What a part is to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartRole {
    /// The function's own package: unpacked to `/var/task`.
    Function,
    /// A layer: unpacked to `/opt`.
    Layer,
    /// A layer of a container image: unpacked to `/`.
    Image,
}

/// One rule.
struct Rule {
    /// Its name in findings, and the name of its file.
    id: &'static str,
    /// The ATT&CK technique (version 19) unless a hit names a nearer one.
    technique: &'static str,
    /// What to do next.
    advice: &'static str,
    /// Which files it looks at.
    over: Over,
    /// Looks at one file.
    look: fn(&Scene<'_>, &mut Vec<Hit>),
}

/// Which files a rule looks at.
enum Over {
    /// All, by name and kind.
    Every,
    /// Sources and other text, documentation apart, in which one of these words stands. No words:
    /// every source.
    Source(&'static [&'static str]),
    /// ELF programs and libraries.
    Elf,
    /// Sources in which one of the first and one of the second words stand.
    SourceWithBoth(&'static [&'static str], &'static [&'static str]),
    /// Sources and ELF programs in which one of these words stands.
    SourceOrElf(&'static [&'static str]),
}

/// What a rule saw in a file.
#[derive(Debug)]
struct Hit {
    severity: Severity,
    confidence: Confidence,
    /// How bad if an installed component lists the file as its own.
    if_owned: Option<Severity>,
    statement: String,
    technique: Option<&'static str>,
    /// Where in the file.
    at: Option<usize>,
    /// What is shown of it.
    excerpt: Option<String>,
}

impl Hit {
    fn new(severity: Severity, confidence: Confidence, statement: String) -> Self {
        Self {
            severity,
            confidence,
            if_owned: None,
            statement,
            technique: None,
            at: None,
            excerpt: None,
        }
    }

    /// With the place where it stands, shown.
    fn at(self, scene: &Scene<'_>, place: &std::ops::Range<usize>) -> Self {
        Self {
            at: Some(place.start),
            excerpt: Some(scene.excerpt(place)),
            ..self
        }
    }

    /// With the place where it stands, not shown: a secret stands there.
    fn at_concealed(self, place: usize) -> Self {
        Self {
            at: Some(place),
            ..self
        }
    }

    /// Less bad in a file that an installed component lists as its own.
    fn if_owned(self, severity: Severity) -> Self {
        Self {
            if_owned: Some(severity),
            ..self
        }
    }

    fn technique(self, technique: &'static str) -> Self {
        Self {
            technique: Some(technique),
            ..self
        }
    }
}

/// Looks for signs of an attack in the files of one part.
pub struct Indicators {
    part: Part,
    /// Finds the words of all rules at once; none if it could not be built.
    words: Option<AhoCorasick>,
    /// Which rule each word belongs to, and to which of its lists, as a bit.
    word_bits: Vec<u64>,
    ownership: Ownership,
    raised: Vec<Raised>,
    /// How often each rule hit, those left out included.
    counts: Vec<usize>,
    /// How many hits of each rule and severity are kept, so that many small ones hide no great one.
    kept: std::collections::BTreeMap<(usize, Severity), usize>,
    /// Sources of which the end was not read, or which were not followed to the end.
    partly_read: usize,
    first_partly_read: Option<String>,
}

/// A hit with its file, until it is known to whom the file belongs.
struct Raised {
    rule: usize,
    hit: Hit,
    path: String,
    line: Option<u64>,
}

impl Indicators {
    /// Ready for the files of `part`.
    pub fn new(part: &Part) -> Self {
        let mut words = Vec::new();
        let mut word_bits = Vec::new();
        for (number, rule) in RULES.iter().enumerate() {
            let (first, second): (&[&str], &[&str]) = match rule.over {
                Over::Source(first) | Over::SourceOrElf(first) => (first, &[]),
                Over::SourceWithBoth(first, second) => (first, second),
                Over::Every | Over::Elf => (&[], &[]),
            };
            for (list, bit) in [(first, number), (second, number + SECOND)] {
                words.extend_from_slice(list);
                word_bits.extend(std::iter::repeat_n(1_u64 << bit, list.len()));
            }
        }
        Self {
            part: part.clone(),
            words: AhoCorasickBuilder::new()
                .kind(Some(AhoCorasickKind::DFA))
                .build(&words)
                .ok(),
            word_bits,
            ownership: Ownership::default(),
            raised: Vec::new(),
            counts: vec![0; RULES.len()],
            kept: std::collections::BTreeMap::new(),
            partly_read: 0,
            first_partly_read: None,
        }
    }

    /// What was found, the worst first.
    pub fn finish(self, contents: &Contents) -> Vec<Finding> {
        let Self {
            part,
            ownership,
            raised,
            counts,
            partly_read,
            first_partly_read,
            ..
        } = self;
        let ownership = ownership.settle(contents);
        let mut findings = Vec::new();
        let mut written = vec![0_usize; RULES.len()];
        let mut raised: Vec<Raised> = raised
            .into_iter()
            .filter_map(|mut one| {
                let is_owned = ownership.owns(&one.path);
                if let Some(severity) = one.hit.if_owned
                    && is_owned
                {
                    one.hit.severity = severity;
                }
                // Whether a program belongs to a script package, and to whom, is known only now.
                RULES
                    .get(one.rule)
                    .is_none_or(|rule| {
                        rule.id != program_in_script_package::RULE.id
                            || !is_owned && program_in_script_package::applies(&part, contents)
                    })
                    .then_some(one)
            })
            .collect();
        raised.sort_by_key(|one| Reverse(one.hit.severity));
        for one in raised {
            let Some(rule) = RULES.get(one.rule) else {
                continue;
            };
            if let Some(written) = written.get_mut(one.rule) {
                *written += 1;
                if *written > MOST_PER_RULE {
                    continue;
                }
            }
            findings.push(Finding {
                rule: rule.id.to_owned(),
                statement: one.hit.statement,
                severity: one.hit.severity,
                confidence: one.hit.confidence,
                technique: Some(one.hit.technique.unwrap_or(rule.technique).to_owned()),
                advice: Some(rule.advice.to_owned()),
                proof: vec![Proof {
                    exhibit: part.name.clone(),
                    path: Some(shown(&one.path, 400)),
                    line: one.line,
                    excerpt: one.hit.excerpt,
                }],
            });
        }
        for ((rule, written), count) in RULES.iter().zip(&written).zip(&counts) {
            let shown_of_it = (*written).min(MOST_PER_RULE);
            if *written > 0 && *count > shown_of_it {
                findings.push(about_the_part(
                    &part,
                    rule.id,
                    format!(
                        "{} more files like those named by {} were found and are not listed",
                        count - shown_of_it,
                        rule.id
                    ),
                    None,
                ));
            }
        }
        if partly_read > 0 {
            // Padding a source is a way to keep its end from being read.
            let is_owned = first_partly_read
                .as_deref()
                .is_some_and(|path| ownership.owns(path));
            let mut finding = about_the_part(
                &part,
                "indicators-partly-read",
                format!(
                    "{partly_read} sources were not followed to their end: larger than {} MB, or too tangled",
                    SOURCE_BYTES >> 20
                ),
                first_partly_read,
            );
            if !is_owned {
                finding.severity = Severity::Medium;
            }
            findings.push(finding);
        }
        if self.words.is_none() {
            findings.push(about_the_part(
                &part,
                "indicators-partly-read",
                "The words of the rules could not be looked for; sources were not judged"
                    .to_owned(),
                None,
            ));
        }
        findings
    }

    /// Which rules' words of those asked for stand in `bytes`, as bits.
    fn words_found(&self, bytes: &[u8], among: u64) -> u64 {
        let Some(words) = &self.words else { return 0 };
        let mut rules = 0_u64;
        let mut at = aho_corasick::automaton::OverlappingState::start();
        let input = aho_corasick::Input::new(bytes);
        loop {
            words.find_overlapping(input.clone(), &mut at);
            let Some(found) = at.get_match() else { break };
            if let Some(bit) = self.word_bits.get(found.pattern().as_usize())
                && rules & bit == 0
                && !is_method(bytes, &found)
            {
                rules |= bit;
                if rules & among == among {
                    break;
                }
            }
        }
        rules & among
    }
}

impl Observer for Indicators {
    fn file(&mut self, file: &File, content: Content<'_>) {
        self.ownership.note(file, content);
        let scene = Scene::new(&self.part, file, content);
        let is_elf = file.kind == crate::Kind::Elf;
        let is_source = scene.is_source();
        let mut among = 0_u64;
        let mut due = 0_u64;
        for (number, rule) in RULES.iter().enumerate() {
            let bit = 1_u64 << number;
            match rule.over {
                Over::Every => due |= bit,
                Over::Elf if is_elf => due |= bit,
                Over::Source([]) if is_source => due |= bit,
                Over::Source(_) if is_source => among |= bit,
                Over::SourceOrElf(_) if is_source || is_elf => among |= bit,
                Over::SourceWithBoth(..) if is_source => among |= bit | bit << SECOND,
                Over::Elf | Over::Source(_) | Over::SourceOrElf(_) | Over::SourceWithBoth(..) => {}
            }
        }
        if among != 0 {
            let found = self.words_found(scene.bytes, among);
            for (number, rule) in RULES.iter().enumerate() {
                let bit = 1_u64 << number;
                let second = match rule.over {
                    Over::SourceWithBoth(..) => bit << SECOND,
                    _ => bit,
                };
                if found & bit != 0 && found & second != 0 {
                    due |= bit;
                }
            }
        }
        let mut hits = Vec::new();
        for (number, rule) in RULES.iter().enumerate() {
            if due & (1 << number) == 0 {
                continue;
            }
            (rule.look)(&scene, &mut hits);
            for hit in hits.drain(..) {
                let Some(count) = self.counts.get_mut(number) else {
                    continue;
                };
                *count += 1;
                let kept = self.kept.entry((number, hit.severity)).or_default();
                *kept += 1;
                // More are kept than are written out: whether a component owns a file, and how bad
                // a hit in it therefore is, is known only at the end.
                if *kept <= MOST_PER_RULE * 40 {
                    self.raised.push(Raised {
                        rule: number,
                        line: hit.at.map(|at| scene.line(at)),
                        hit,
                        path: file.path.clone(),
                    });
                }
            }
        }
        if is_source
            && (!content.is_whole
                || content.bytes.len() > scene.bytes.len()
                || scene.budget.is_spent())
        {
            self.partly_read += 1;
            self.first_partly_read
                .get_or_insert_with(|| shown(&file.path, 400));
        }
    }
}

/// `.exec(` and its like: a method, mostly of a regular expression, where the word stands for the
/// function of that name. One of the commonest words of JavaScript.
fn is_method(bytes: &[u8], word: &aho_corasick::Match) -> bool {
    let Some(before) = word.start().checked_sub(1).and_then(|at| bytes.get(at)) else {
        return false;
    };
    (*before == b'.' || before.is_ascii_alphanumeric())
        && matches!(bytes.get(word.range()), Some(b"exec(" | b"eval("))
        && !bytes
            .get(..word.start())
            .is_some_and(|before| before.ends_with(b"builtins."))
}

/// A statement that names no file.
fn about_the_part(part: &Part, rule: &str, statement: String, path: Option<String>) -> Finding {
    Finding {
        rule: rule.to_owned(),
        statement,
        severity: Severity::Info,
        confidence: Confidence::High,
        technique: None,
        advice: None,
        proof: vec![Proof {
            exhibit: part.name.clone(),
            path,
            line: None,
            excerpt: None,
        }],
    }
}

#[cfg(test)]
mod tests;
