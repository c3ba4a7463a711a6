//! Code that runs what it has just downloaded.

use super::flow;
use super::pattern::Pattern;
use super::scene::Language;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};
use std::ops::Range;

pub(super) static RULE: Rule = Rule {
    id: "downloaded-code-run",
    technique: "T1105",
    advice: "Find out what the address serves without running it, and look in the logs for what the function has run from there.",
    over: Over::SourceWithBoth(
        &[
            "requests.",
            "httpx.",
            "session.get",
            "session.post",
            "session.request",
            "urlopen",
            "urlretrieve",
            "fetch(",
            "axios",
            "http.get",
            "https.get",
            "HTTPConnection",
            "HTTPSConnection",
            "got(",
            "got.get",
            "curl",
            "wget",
            "URI.open",
            "Net::HTTP",
        ],
        RUN_WORDS,
    ),
    look,
};

static DOWNLOAD: Pattern = Pattern::new(
    r"\b(?:requests|httpx|session)\.(?:get|post|request)\s*\(|\burlopen\s*\(|\bfetch\s*\(|\baxios(?:\.get)?\s*\(|\bhttps?\.get\s*\(|\bURI\.open\s*\(|\bNet::HTTP\.get\w{0,9}|\bHTTPS?Connection\s*\(|\bgot(?:\.get)?\s*\(\s*['\x22`]http|\b(?:curl|wget)\s+[^\n]{0,80}https?://",
);

/// What stands in a source that runs something: a call, a pipe into an interpreter, a command in place of a file.
pub(super) const RUN_WORDS: &[&str] = &[
    "exec(",
    "eval(",
    "exec (",
    "eval (",
    "Function(",
    "Function (",
    "execSync",
    "os.system",
    "os.popen",
    "subprocess",
    "vm.run",
    "vm.Script",
    "vm.compile",
    "_compile",
    "child_process",
    "cp.exec",
    "marshal.loads",
    "pickle.loads",
    "| sh",
    "|sh",
    "| bash",
    "|bash",
    "| zsh",
    "|zsh",
    "| dash",
    "|dash",
    "| ksh",
    "|ksh",
    "| python",
    "|python",
    "| node",
    "|node",
    "| perl",
    "|perl",
    "| ruby",
    "|ruby",
    "| sudo",
    "|sudo",
    "| /",
    "|/",
    "$(curl",
    "$(wget",
    "$( curl",
    "$( wget",
    "`curl",
    "`wget",
    "<(curl",
    "<(wget",
    "<( curl",
    "<( wget",
    "|  ",
    "|\t",
    "|\\\n",
    "eval ",
    "source <(",
    "source $(",
    ". <(",
    ". $(",
    "chmod",
];

/// What runs its argument. A dot before it makes `exec` a method: of a regular expression, as a rule.
pub(super) static RUNS: Pattern = Pattern::new(
    r"(?:^|[^\w.$])(?:exec|eval|Function|execSync|instance_eval|class_eval)\s*\(|\bbuiltins\.(?:exec|eval)\s*\(|\bos\.(?:system|popen)\s*\(|\bsubprocess\.\w{2,14}\s*\(|\bvm\.(?:runIn\w{3,12}|Script|compileFunction)\s*\(|\b(?:child_process|cp)\.exec(?:Sync)?\s*\(|\b_compile\s*\(|\bmarshal\.loads\s*\(|\bpickle\.loads\s*\(",
);

static SHELL_RUNS: Pattern = Pattern::new(
    r#"\b(?:curl|wget)\b(?:[^\n|;\\]|\\\n){1,400}\|\s*(?:sudo\s+)?(?:/\w{1,8}){0,3}/?(?:ba|z|k|da)?sh\b|\b(?:curl|wget)\b(?:[^\n|;\\]|\\\n){1,400}\|\s*(?:sudo\s+)?(?:/\w{1,8}){0,3}/?(?:python[\d.]{0,4}|node|perl|ruby)\b|\b(?:ba|z)?sh\s+(?:-c\s+)?["']?(?:<\(|\$\(|`)\s*(?:curl|wget)\b|\b(?:eval|source|\.)\s+["']?(?:<\(|\$\(|`)\s*(?:curl|wget)\b|\b(?:python[\d.]{0,4}|node|perl|ruby)\s+-[ce]\s+["']?(?:\$\(|`)\s*(?:curl|wget)\b"#,
);

/// A file that is fetched: its name is the group.
static SHELL_SAVES: Pattern = Pattern::new(
    r#"\b(?:curl|wget)\b[^\n]{0,300}?\s(?:-[a-zA-Z]{0,6}[oO]|--output|--output-document)[\s=]*["']?([\w./$\{\}\-]{2,120})"#,
);

/// Fetched into a file in other languages, which is then made executable.
static SAVES: Pattern = Pattern::new(
    r#"\burlretrieve\s*\(|createWriteStream\s*\(\s*["'`]/tmp/|open\s*\(\s*f?["'`]/tmp/[^"'`]{1,80}["'`]\s*,\s*["']wb"#,
);
static MAKES_EXECUTABLE: Pattern =
    Pattern::new(r"chmod\w{0,4}\s*\([^)\n]{1,80}(?:0o?[157]{3}|755|777|700|S_IX|S_IEXEC)");
static STARTS: Pattern = Pattern::new(
    r"\bsubprocess\.\w{2,14}\s*\(|\bos\.(?:system|popen|exec\w{1,3}|spawn\w{1,4})\s*\(|\bexec(?:File)?(?:Sync)?\s*\(|\bspawn(?:Sync)?\s*\(",
);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let found = |place: &Range<usize>, confidence, what: &str| {
        Hit::new(
            Severity::High,
            confidence,
            format!("{} {what}", scene.path()),
        )
        .at(scene, place)
    };
    let names_a_downloader = [&b"curl"[..], b"wget"]
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some());
    if names_a_downloader && let Some(place) = SHELL_RUNS.find(bytes) {
        // In other languages such a line may be a comment or a message: only where it is run.
        if matches!(scene.language, Language::Shell | Language::Unknown)
            && !is_comment(bytes, place.start)
            || is_run(bytes, &place)
        {
            hits.push(found(
                &place,
                Confidence::High,
                "downloads a script and runs it at once",
            ));
            return;
        }
    }
    if matches!(scene.language, Language::Shell | Language::Unknown) {
        for saved in SHELL_SAVES.all(bytes, 50) {
            let Some(name) = SHELL_SAVES.group(bytes.get(saved.clone()).unwrap_or_default()) else {
                continue;
            };
            let rest = bytes
                .get(saved.end..bytes.len().min(saved.end + 2_000))
                .unwrap_or_default();
            if is_made_executable_and_started(rest, name) {
                hits.push(found(
                    &saved,
                    Confidence::High,
                    "downloads a program and starts it",
                ));
                return;
            }
        }
    }
    for call in scene.runs() {
        let run = flow::arguments(bytes, call.end);
        if let Some(origin) = flow::origin(scene, &run, &DOWNLOAD, 3)
            && !is_comment(bytes, call.start)
            && (!is_shell_call(bytes, call) || pipes_into_shell(bytes, &run, &origin))
        {
            hits.push(found(
                &(call.start..run.end),
                Confidence::High,
                "runs what it downloads",
            ));
            return;
        }
    }
    if scene.language != Language::Shell {
        for saved in SAVES.all(bytes, 20) {
            let near = saved.start..bytes.len().min(saved.end + 1_500);
            let text = bytes.get(near.clone()).unwrap_or_default();
            let before = bytes
                .get(saved.start.saturating_sub(600)..near.end)
                .unwrap_or_default();
            if let Some(mode) = MAKES_EXECUTABLE.find(text)
                && STARTS.is_in(text.get(mode.end..).unwrap_or_default())
                && DOWNLOAD_OR_SAVE.is_in(before)
            {
                hits.push(found(
                    &saved,
                    Confidence::Medium,
                    "downloads a program and starts it",
                ));
                return;
            }
        }
    }
}

static DOWNLOAD_OR_SAVE: Pattern = Pattern::new(
    r"\burlretrieve\s*\(|\burlopen\s*\(|\brequests\.get\s*\(|\bhttps?\.get\s*\(|\bfetch\s*\(|\baxios",
);

/// Whether what is called starts a program rather than code: `subprocess.run(["tar", …, downloaded])` is ordinary.
fn is_shell_call(bytes: &[u8], call: &Range<usize>) -> bool {
    let name = bytes.get(call.clone()).unwrap_or_default();
    [&b"subprocess"[..], b"os.", b"cp.", b"execSync"]
        .iter()
        .any(|word| memchr::memmem::find(name, word).is_some())
}

static PIPED: Pattern = Pattern::new(
    r"\|\s*(?:ba|z)?sh\b|\|\s*(?:python|node|perl)|bash\s+-c|sh\s+-c|\$\(\s*(?:curl|wget)",
);

fn pipes_into_shell(bytes: &[u8], run: &Range<usize>, origin: &Range<usize>) -> bool {
    // What was fetched is the command itself.
    let fetched_by_code = bytes
        .get(origin.clone())
        .is_some_and(|text| !text.starts_with(b"curl") && !text.starts_with(b"wget"));
    let is_list = bytes
        .get(run.clone())
        .is_some_and(|text| text.trim_ascii_start().starts_with(b"["));
    (fetched_by_code && !is_list) || bytes.get(run.clone()).is_some_and(|text| PIPED.is_in(text))
}

/// Whether a line of shell stands in the arguments of something that runs it.
fn is_run(bytes: &[u8], place: &Range<usize>) -> bool {
    let from = place.start.saturating_sub(300);
    let before = bytes.get(from..place.start).unwrap_or_default();
    RUNS.all(before, 50)
        .last()
        .is_some_and(|call| flow::arguments(bytes, from + call.end).end >= place.end)
}

fn is_comment(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let line = before.get(start..).unwrap_or_default().trim_ascii_start();
    // The match itself may begin with the line's end.
    line.starts_with(b"#") || line.starts_with(b"//") || line.starts_with(b"*")
}

fn is_made_executable_and_started(rest: &[u8], name: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(rest, b"chmod") else {
        return false;
    };
    let after = rest.get(at..).unwrap_or_default();
    let line_end = memchr::memchr2(b'\n', b';', after).unwrap_or(after.len());
    let line = after.get(..line_end).unwrap_or_default();
    memchr::memmem::find(line, name).is_some()
        && memchr::memmem::find_iter(after, name).count() >= 2
}
