//! Files that Python runs when it starts, before the function: `sitecustomize`, `usercustomize`, and
//! lines of code in `.pth` files. Lambda's Python runtime reads `.pth` files in `/var/task`,
//! `/opt/python` and the layer's `site-packages`.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "python-startup-hook",
    technique: "T1546.018",
    advice: "Read what it runs; no library of the function has to import it.",
    over: Over::Every,
    look,
};

static CONNECTS: Pattern = Pattern::new(
    r"\burl(?:open|retrieve)\s*\([^\n]{0,200}|\b(?:requests|httpx|urllib3)\.\w{1,12}\s*\([^\n]{0,200}|\bHTTPS?Connection\s*\([^\n]{0,200}|\bcreate_connection\s*\([^\n]{0,200}|\.connect\s*\([^\n]{0,200}",
);

static CODE: Pattern = Pattern::new(r"(?m)^import[ \t;][^\n]*");

/// Lines of code that setuptools writes into `.pth` files.
static KNOWN: Pattern = Pattern::new(
    r#"^(?:import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os\.environ\.get\(var, '(?:local|stdlib)'\) == 'local'; enabled and __import__\('_distutils_hack'\)(?:\.add_shim\(\))?;?\s*|import sys, types, os;\s?(?:has_mfs = sys\.version_info > \(3, 5\);)?p = os\.path\.join\(sys\._getframe\(1\)\.f_locals\['sitedir'\], \*\('[\w', ]{1,80}\)\);(?:importlib = has_mfs and __import__\('importlib\.util'\);has_mfs and __import__\('importlib\.machinery'\);)?m = (?:has_mfs and )?sys\.modules\.setdefault\('[\w.]{1,60}',[^;#\n]{1,200}\);(?:m = m or sys\.modules\.setdefault\('[\w.]{1,60}', types\.ModuleType\('[\w.]{1,60}'\)\);)?mp = \(m or \[\]\) and m\.__dict__\.setdefault\('__path__',\[\]\);\(p not in mp\) and mp\.append\(p\)(?:;m and setattr\(sys\.modules\['[\w.]{1,60}'\], '\w{1,40}', m\))?|import __editable__\w{1,120}; __editable__\w{1,120}\.install\(\)|import _virtualenv)\s*$"#,
);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let stem = scene.name.split('.').next().unwrap_or_default();
    if matches!(stem, "sitecustomize" | "usercustomize")
        && matches!(
            scene.file.kind,
            Kind::Text | Kind::Script | Kind::PythonBytecode | Kind::Elf | Kind::Data
        )
        && [".py", ".pyc", ".so"]
            .iter()
            .any(|ending| scene.name.ends_with(ending))
    {
        let hit = match CONNECTS.find(scene.bytes) {
            Some(place) => Hit::new(
                Severity::High,
                Confidence::Medium,
                format!(
                    "{} runs whenever Python starts, and connects somewhere",
                    scene.path()
                ),
            )
            .at(scene, &place),
            None => Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} runs whenever a Python that has it on its path starts",
                    scene.path()
                ),
            ),
        };
        // A list that claims it was written by whoever packed it.
        hits.push(hit.if_owned(if CONNECTS.is_in(scene.bytes) {
            Severity::Medium
        } else if is_on_the_path(&scene.file.path) {
            Severity::Low
        } else {
            Severity::Info
        }));
        return;
    }
    if !scene.name.ends_with(".pth") || scene.file.kind == Kind::Elf {
        return;
    }
    let Some(place) = CODE.all(scene.bytes, 200).find(|line| {
        !scene
            .bytes
            .get(line.clone())
            .is_some_and(|line| KNOWN.is_in(line))
    }) else {
        return;
    };
    hits.push(
        Hit::new(
            Severity::Medium,
            Confidence::Medium,
            format!("{} runs code whenever Python starts", scene.path()),
        )
        .if_owned(
            if scene
                .bytes
                .get(place.clone())
                .is_some_and(|line| CONNECTS.is_in(line))
            {
                Severity::Medium
            } else {
                Severity::Info
            },
        )
        .at(scene, &place),
    );
}

/// Whether it lies directly in a folder that Lambda's Python searches.
fn is_on_the_path(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.is_empty()
        || folder == "python"
        || folder.ends_with("site-packages")
        || folder.ends_with("dist-packages")
}
