//! Modules of one part that are loaded in place of another's: what Lambda finds first.
//!
//! Python looks in `/var/task`, then in the layers' `/opt/python/lib/python3.N/site-packages`, then in
//! `/opt/python`, then in the runtime's own folders, its standard library among them; the first
//! regular package or module wins, a folder without `__init__` only if nothing else has the name
//! (PEP 420). Node looks in `node_modules` beside the function, then in `NODE_PATH`:
//! `/opt/nodejs/nodeN/node_modules`, `/opt/nodejs/node_modules`, the runtime's. Of layers, the later
//! one's file replaces the earlier one's of the same path.
//! Sources: AWS Lambda Developer Guide, "Packaging your layer content", "Working with .zip file archives
//! for Python / Node.js Lambda functions: dependency search path", "Defined runtime environment variables".
//! Java and Ruby are not judged here.

use super::{Part, PartRole};
use crate::{Contents, File};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How many findings of one kind are written out.
const MOST: usize = 25;

/// ATT&CK: Hijack Execution Flow.
const TECHNIQUE: &str = "T1574";

/// What one part has loaded in place of another's: of the function's package and its layers, the
/// layers in the order in which the function names them. Reported in the direction in which it takes effect.
pub fn across(parts: &[(&Part, &Contents)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let function = parts
        .iter()
        .find(|(part, _)| part.role == PartRole::Function);
    let layers: Vec<_> = parts
        .iter()
        .filter(|(part, _)| part.role == PartRole::Layer)
        .collect();
    let runtime = parts.iter().find_map(|(part, _)| part.runtime.as_deref());
    let speaks = |language: &str| runtime.is_none_or(|runtime| runtime.starts_with(language));

    for (number, later) in layers.iter().enumerate() {
        for earlier in layers.iter().take(number) {
            findings.extend(replaced_files(earlier, later));
        }
    }
    if speaks("python") {
        let task = function.map(|(part, contents)| (*part, python_modules(contents, &[""])));
        let layers: Vec<_> = layers
            .iter()
            .map(|(part, contents)| {
                let places = python_places(runtime);
                let places: Vec<&str> = places.iter().map(String::as_str).collect();
                (*part, python_modules(contents, &places))
            })
            .collect();
        python(task.as_ref(), &layers, &mut findings);
    }
    if speaks("nodejs") {
        let task = function
            .map(|(part, contents)| (*part, node_modules(contents, &["node_modules/".to_owned()])));
        let layers: Vec<_> = layers
            .iter()
            .map(|(part, contents)| (*part, node_modules(contents, &node_places(runtime))))
            .collect();
        node(task.as_ref(), &layers, &mut findings);
    }
    if let Some((part, contents)) = function {
        findings.extend(handler_elsewhere(part, contents, &layers));
    }
    bounded(findings)
}

/// A module of a part.
#[derive(Clone, Debug)]
struct Module {
    /// Where it begins: the path that stands for it.
    path: String,
    /// A module or a package with `__init__`; a folder without one yields to every other.
    is_regular: bool,
    /// Which of the searched folders it lies in: smaller is searched earlier.
    place: usize,
}

type Modules = BTreeMap<String, Module>;

fn python(
    task: Option<&(&Part, Modules)>,
    layers: &[(&Part, Modules)],
    findings: &mut Vec<Finding>,
) {
    if let Some((part, modules)) = task {
        for (name, module) in modules {
            if is_standard(name) && module.is_regular {
                findings.push(finding(
                    "module-shadows-standard-library",
                    Severity::Low,
                    Confidence::Medium,
                    format!(
                        "The function's {} is loaded in place of Python's own module {}",
                        shown(&module.path, 100),
                        shown(name, 60)
                    ),
                    part,
                    &module.path,
                ));
            }
        }
    }
    for (number, (part, modules)) in layers.iter().enumerate() {
        for (name, module) in modules {
            let own = task.and_then(|(part, modules)| Some((part, modules.get(name)?)));
            if let Some((function, own)) = own {
                if module.is_regular && !own.is_regular {
                    findings.push(finding(
                        "layer-shadows-function",
                        Severity::High,
                        Confidence::High,
                        format!(
                            "The layer's {} is loaded in place of the function's {}: the function's is a folder without __init__.py and yields to it",
                            shown(&module.path, 100), shown(&own.path, 100)
                        ),
                        part,
                        &module.path,
                    ));
                } else if own.is_regular && module.is_regular {
                    findings.push(finding(
                        "function-shadows-layer",
                        Severity::Info,
                        Confidence::High,
                        format!(
                            "The function's {} is loaded in place of the layer's {}, unless PYTHONPATH says otherwise",
                            shown(&own.path, 100), shown(&module.path, 100)
                        ),
                        function,
                        &own.path,
                    ));
                }
                continue;
            }
            if !module.is_regular {
                continue;
            }
            if is_standard(name) {
                findings.push(finding(
                    "module-shadows-standard-library",
                    Severity::Medium,
                    Confidence::High,
                    format!(
                        "The layer's {} is loaded in place of Python's own module {}",
                        shown(&module.path, 100),
                        shown(name, 60)
                    ),
                    part,
                    &module.path,
                ));
            } else if RUNTIME_PYTHON.contains(&name.as_str()) {
                findings.push(shadows_runtime(part, name, module));
            }
            // Of the same folder, the file itself is replaced, which is told above.
            for (other_number, (other, others)) in layers.iter().enumerate() {
                if other_number != number
                    && let Some(hidden) = others.get(name)
                    && hidden.is_regular
                    && module.place < hidden.place
                {
                    findings.push(shadows_layer(part, module, other, hidden));
                }
            }
        }
    }
}

fn node(task: Option<&(&Part, Modules)>, layers: &[(&Part, Modules)], findings: &mut Vec<Finding>) {
    for (number, (part, modules)) in layers.iter().enumerate() {
        for (name, module) in modules {
            if let Some((function, own)) =
                task.and_then(|(part, modules)| Some((part, modules.get(name)?)))
            {
                findings.push(finding(
                    "function-shadows-layer",
                    Severity::Info,
                    Confidence::High,
                    format!(
                        "The function's {} is loaded in place of the layer's {}",
                        shown(&own.path, 100),
                        shown(&module.path, 100)
                    ),
                    function,
                    &own.path,
                ));
                continue;
            }
            if name == "aws-sdk" || name.starts_with("@aws-sdk/") || name.starts_with("@smithy/") {
                findings.push(shadows_runtime(part, name, module));
            }
            for (other_number, (other, others)) in layers.iter().enumerate() {
                if other_number != number
                    && let Some(hidden) = others.get(name)
                    && module.place < hidden.place
                {
                    findings.push(shadows_layer(part, module, other, hidden));
                }
            }
        }
    }
}

fn shadows_runtime(part: &Part, name: &str, module: &Module) -> Finding {
    finding(
        "layer-shadows-runtime",
        Severity::Info,
        Confidence::High,
        format!(
            "The layer's {} is loaded in place of the runtime's own {}",
            shown(&module.path, 100),
            shown(name, 60)
        ),
        part,
        &module.path,
    )
}

fn shadows_layer(part: &Part, module: &Module, other: &Part, hidden: &Module) -> Finding {
    finding(
        "layer-shadows-layer",
        Severity::Medium,
        Confidence::High,
        format!(
            "{} of this layer is loaded in place of {} of {}: its folder is searched first",
            shown(&module.path, 100),
            shown(&hidden.path, 100),
            shown(&other.name, 60)
        ),
        part,
        &module.path,
    )
}

/// Files of an earlier layer that a later one replaces by others, one finding a module.
fn replaced_files(earlier: &(&Part, &Contents), later: &(&Part, &Contents)) -> Vec<Finding> {
    let before: BTreeMap<&str, &File> = earlier
        .1
        .files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    // By module: how many, and the first.
    let mut replaced: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for file in &later.1.files {
        if let Some(old) = before.get(file.path.as_str())
            && (old.sha256 != file.sha256 || old.link_to != file.link_to)
            && !is_metadata(&file.path)
        {
            replaced
                .entry(module_of(&file.path))
                .or_insert((0, &file.path))
                .0 += 1;
        }
    }
    replaced
        .into_iter()
        .map(|(module, (count, first))| {
            finding(
                "layer-shadows-layer",
                Severity::Medium,
                Confidence::High,
                format!(
                    "This layer puts its own {} in place of {}'s: {count} {} other bytes",
                    shown(&module, 100),
                    shown(&earlier.0.name, 60),
                    if count == 1 { "file has" } else { "files have" }
                ),
                later.0,
                first,
            )
        })
        .collect()
}

/// The handler's module lies in a layer and not in the function's package.
fn handler_elsewhere(
    part: &Part,
    contents: &Contents,
    layers: &[&(&Part, &Contents)],
) -> Option<Finding> {
    let handler = part.handler.as_deref()?;
    let runtime = part.runtime.as_deref()?;
    let (module, _) = handler.rsplit_once('.')?;
    let (stems, endings): (Vec<String>, &[&str]) = if runtime.starts_with("python") {
        let module = module.replace('.', "/");
        (
            vec![module.clone(), format!("{module}/__init__")],
            &[".py", ".pyc", ".so"],
        )
    } else if runtime.starts_with("nodejs") {
        (
            vec![module.trim_start_matches("/opt/").to_owned()],
            &[".js", ".mjs", ".cjs"],
        )
    } else {
        return None;
    };
    let lies_in = |contents: &Contents, folders: &[String]| {
        contents.files.iter().find_map(|file| {
            let rest = folders
                .iter()
                .find_map(|folder| file.path.strip_prefix(folder.as_str()))?;
            stems
                .iter()
                .any(|stem| {
                    rest.strip_prefix(stem.as_str())
                        .is_some_and(|ending| endings.contains(&ending))
                })
                .then(|| file.path.clone())
        })
    };
    if lies_in(contents, &[String::new()]).is_some() {
        return None;
    }
    let folders = if runtime.starts_with("python") {
        python_places(Some(runtime))
    } else {
        let mut folders = node_places(Some(runtime));
        folders.push(String::new());
        folders
    };
    layers.iter().find_map(|(layer, contents)| {
        let path = lies_in(contents, &folders)?;
        Some(finding(
            "handler-in-layer",
            Severity::Low,
            Confidence::Medium,
            format!(
                "The handler {} does not lie in the function's package: the layer's {} is what is called",
                shown(handler, 80),
                shown(&path, 100)
            ),
            layer,
            &path,
        ))
    })
}

/// Folders of a layer that Python searches, in order, with a `/` at the end.
fn python_places(runtime: Option<&str>) -> Vec<String> {
    let versions: Vec<String> = match runtime.and_then(|runtime| runtime.strip_prefix("python")) {
        Some(version) => vec![version.to_owned()],
        None => (8..=15).map(|minor| format!("3.{minor}")).collect(),
    };
    versions
        .into_iter()
        .map(|version| format!("python/lib/python{version}/site-packages/"))
        .chain(["python/".to_owned()])
        .collect()
}

/// Folders of a layer that Node searches, in order, with a `/` at the end.
fn node_places(runtime: Option<&str>) -> Vec<String> {
    let version = runtime
        .and_then(|runtime| runtime.strip_prefix("nodejs"))
        .and_then(|version| version.split('.').next())
        .filter(|version| !version.is_empty());
    version
        .map(|version| format!("nodejs/node{version}/node_modules/"))
        .into_iter()
        .chain(["nodejs/node_modules/".to_owned()])
        .collect()
}

/// What can be imported from these folders; of one name, what is found first.
fn python_modules(contents: &Contents, places: &[&str]) -> Modules {
    let mut modules = Modules::new();
    for file in &contents.files {
        let Some((place, rest)) = places
            .iter()
            .enumerate()
            .find_map(|(place, folder)| Some((place, file.path.strip_prefix(folder)?)))
        else {
            continue;
        };
        let (name, is_regular) = match rest.split_once('/') {
            // A folder: a package by its __init__, a namespace by any source in it.
            Some((folder, inside)) => {
                if folder.contains(['.', '-'])
                    || matches!(
                        folder,
                        "" | "bin" | "lib" | "__pycache__" | "python" | "nodejs"
                    )
                {
                    continue;
                }
                if !is_python(inside) {
                    continue;
                }
                (folder, inside.split('.').next() == Some("__init__"))
            }
            None => {
                if !is_python(rest) {
                    continue;
                }
                (rest.split('.').next().unwrap_or(rest), true)
            }
        };
        let module = Module {
            path: file.path.clone(),
            is_regular,
            place,
        };
        match modules.get_mut(name) {
            Some(known)
                if (!known.is_regular && is_regular)
                    || (known.is_regular == is_regular && place < known.place) =>
            {
                *known = module
            }
            Some(_) => {}
            None => {
                modules.insert(name.to_owned(), module);
            }
        }
    }
    modules
}

fn is_python(path: &str) -> bool {
    [".py", ".pyc", ".so"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// What can be required from these folders.
fn node_modules(contents: &Contents, places: &[String]) -> Modules {
    let mut modules = Modules::new();
    for file in &contents.files {
        let Some((place, rest)) = places
            .iter()
            .enumerate()
            .find_map(|(place, folder)| Some((place, file.path.strip_prefix(folder.as_str())?)))
        else {
            continue;
        };
        let depth = if rest.starts_with('@') { 2 } else { 1 };
        let Some((end, _)) = rest.match_indices('/').nth(depth - 1) else {
            continue;
        };
        let Some(name) = rest.get(..end).filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let module = Module {
            path: file.path.clone(),
            is_regular: true,
            place,
        };
        match modules.get_mut(name) {
            Some(known) if place < known.place => *known = module,
            Some(_) => {}
            None => {
                modules.insert(name.to_owned(), module);
            }
        }
    }
    modules
}

/// The module of a layer that a path belongs to: `python/requests` of `python/requests/api.py`.
fn module_of(path: &str) -> String {
    let depth = if let Some(at) = path.find("site-packages/") {
        path.get(..at).unwrap_or_default().matches('/').count() + 2
    } else if let Some(at) = path.find("node_modules/") {
        let rest = path.get(at + "node_modules/".len()..).unwrap_or_default();
        path.get(..at).unwrap_or_default().matches('/').count()
            + if rest.starts_with('@') { 3 } else { 2 }
    } else {
        2
    };
    path.match_indices('/')
        .nth(depth - 1)
        .and_then(|(at, _)| path.get(..at))
        .unwrap_or(path)
        .to_owned()
}

/// What installers write beside modules, and what nothing runs.
fn is_metadata(path: &str) -> bool {
    path.contains(".dist-info/")
        || path.contains(".egg-info/")
        || path.contains("__pycache__/")
        || path.ends_with("/.package-lock.json")
        || [".md", ".txt", ".rst"]
            .iter()
            .any(|ending| path.ends_with(ending))
}

fn finding(
    rule: &str,
    severity: Severity,
    confidence: Confidence,
    statement: String,
    part: &Part,
    path: &str,
) -> Finding {
    Finding {
        rule: rule.to_owned(),
        statement,
        severity,
        confidence,
        technique: Some(TECHNIQUE.to_owned()),
        advice: (severity > Severity::Info).then(|| {
            "Compare what is loaded with what was meant to be loaded, and see since when the layer is there.".to_owned()
        }),
        proof: vec![Proof {
            exhibit: part.name.clone(),
            path: Some(shown(path, 400)),
            line: None,
            excerpt: None,
        }],
    }
}

/// The worst first, [`MOST`] of each kind, the rest counted.
fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut left_out: BTreeSet<String> = BTreeSet::new();
    findings.retain(|finding| {
        let count = counts.entry(finding.rule.clone()).or_default();
        *count += 1;
        if *count > MOST {
            left_out.insert(finding.rule.clone());
        }
        *count <= MOST
    });
    for rule in left_out {
        let count = counts.get(&rule).copied().unwrap_or_default() - MOST;
        findings.push(Finding {
            statement: format!(
                "{count} more modules like those named by {rule} were found and are not listed"
            ),
            rule,
            severity: Severity::Info,
            confidence: Confidence::High,
            technique: None,
            advice: None,
            proof: Vec::new(),
        });
    }
    findings
}

fn is_standard(name: &str) -> bool {
    STANDARD_PYTHON.binary_search(&name).is_ok()
}

/// What Lambda's Python runtimes bring themselves.
const RUNTIME_PYTHON: &[&str] = &[
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
];

/// Python's standard library (3.9 to 3.14), those modules left out that are built in, frozen or
/// loaded before any of these folders is searched, and those that nothing in a function imports.
const STANDARD_PYTHON: &[&str] = &[
    "aifc",
    "annotationlib",
    "argparse",
    "array",
    "ast",
    "asynchat",
    "asyncio",
    "asyncore",
    "audioop",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "bz2",
    "cProfile",
    "calendar",
    "cgi",
    "cgitb",
    "chunk",
    "cmath",
    "cmd",
    "code",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "compression",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "crypt",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "doctest",
    "email",
    "encodings",
    "enum",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "imaplib",
    "imghdr",
    "imp",
    "inspect",
    "ipaddress",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "mailcap",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "multiprocessing",
    "netrc",
    "nis",
    "nntplib",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "ossaudiodev",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pipes",
    "pkgutil",
    "platform",
    "plistlib",
    "poplib",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "smtpd",
    "smtplib",
    "sndhdr",
    "socket",
    "socketserver",
    "spwd",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "sunau",
    "symtable",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "telnetlib",
    "tempfile",
    "termios",
    "textwrap",
    "threading",
    "timeit",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uu",
    "uuid",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "wsgiref",
    "xdrlib",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zlib",
    "zoneinfo",
];

#[cfg(test)]
mod tests;
