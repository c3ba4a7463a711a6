//! Rules become something that files can be held against.

use evidence::shown;
use yara_x::{Compiler, Rules, SourceCode};

/// Our own rules: file and source.
const OURS: &[(&str, &str)] = &[
    ("backdoor.yar", include_str!("../rules/backdoor.yar")),
    ("coin_miner.yar", include_str!("../rules/coin_miner.yar")),
    (
        "credential_stealer.yar",
        include_str!("../rules/credential_stealer.yar"),
    ),
    (
        "reverse_shell.yar",
        include_str!("../rules/reverse_shell.yar"),
    ),
    ("tooling.yar", include_str!("../rules/tooling.yar")),
];

/// Before a file's name in a namespace of our own; the owner's have none.
pub(crate) const OWN: &str = "coldcase/";

/// The most that is taken of one file of the owner's rules, in bytes.
const LARGEST_SOURCE: usize = 8 << 20;

/// The most that is taken of all of them, in bytes.
const LARGEST_SOURCES: usize = 32 << 20;

/// The longest that is repeated of what the compiler says, in characters.
const LONGEST_REASON: usize = 1_500;

/// Modules that many rules import and that this build leaves out: they read formats that no function
/// consists of. Rules that use them are left out and named.
const LEFT_OUT: &[&str] = &[
    "pe", "dotnet", "dex", "macho", "lnk", "crx", "cuckoo", "vt", "time", "console", "magic", "zip",
];

/// Rules that are ready.
pub struct Signatures {
    pub(crate) rules: Rules,
    left_out: Vec<String>,
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    /// A file does not compile.
    #[error("the rules in {name} do not compile{}: {reason}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    DoesNotCompile {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: Option<u64>,
        /// What the compiler says, with the place.
        reason: String,
    },
    /// There is more than is taken.
    #[error(
        "the rules in {name} are larger than {most_bytes} bytes, alone or with the others: split them, or leave some out"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// The most that is taken.
        most_bytes: usize,
    },
}

impl Signatures {
    /// Our own rules only.
    ///
    /// # Errors
    /// None that a test would not have shown.
    pub fn ours() -> Result<Self, BadRules> {
        Self::with(std::iter::empty())
    }

    /// Our own rules and the owner's: name and source of each file. Every file is a namespace: rules of
    /// one name in two files are two rules. `include` is refused: nothing is read from a disk.
    ///
    /// # Errors
    /// [`BadRules`] names the file and the line.
    pub fn with(owner: impl Iterator<Item = (String, String)>) -> Result<Self, BadRules> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false).colorize_errors(false);
        for module in LEFT_OUT {
            compiler.ignore_module(*module);
        }
        for (name, source) in OURS {
            add(&mut compiler, &format!("{OWN}{name}"), name, source)?;
        }
        let mut bytes = 0_usize;
        for (name, source) in owner {
            bytes = bytes.saturating_add(source.len());
            for (size, most_bytes) in [(source.len(), LARGEST_SOURCE), (bytes, LARGEST_SOURCES)] {
                if size > most_bytes {
                    return Err(BadRules::TooLarge {
                        name: shown(&name, 200),
                        most_bytes,
                    });
                }
            }
            // The owner's file of our name is not ours.
            let namespace = name.trim_start_matches(OWN);
            add(&mut compiler, namespace, &name, &source)?;
        }
        let left_out = compiler
            .ignored_rules()
            .map(|(rule, _)| shown(rule, 200))
            .take(1_000)
            .collect();
        Ok(Self {
            rules: compiler.build(),
            left_out,
        })
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        self.rules.iter().len()
    }

    /// Rules that were left out because they use a module that this build has not.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

fn add(
    compiler: &mut Compiler<'_>,
    namespace: &str,
    name: &str,
    source: &str,
) -> Result<(), BadRules> {
    compiler.new_namespace(namespace);
    compiler
        .add_source(SourceCode::from(source).with_origin(name))
        .map(|_| ())
        .map_err(|error| BadRules::DoesNotCompile {
            name: shown(name, 200),
            line: serde_json::to_value(&error).ok().and_then(|error| {
                error
                    .get("line")
                    .or_else(|| error.pointer("/labels/0/line"))
                    .and_then(serde_json::Value::as_u64)
            }),
            // Line by line, so that the place under the source stays under it.
            reason: error
                .to_string()
                .lines()
                .take(20)
                .map(|line| shown(line, 200))
                .collect::<Vec<_>>()
                .join("\n")
                .chars()
                .take(LONGEST_REASON)
                .collect(),
        })
}
