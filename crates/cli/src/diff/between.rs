//! The difference between two cases of functions, made here and now from what they preserved.

use super::{Document, Part, Side};
use crate::desk::{Failure, Kind, Options, Output, open_vault, reading, resolve};
use anyhow::{Context as _, Result};
use evidence::{ArtifactKind, CaseId, CustodyAction, CustodyEntry, ResourceKind, Target, shown};
use examine::Pieces;
use package::{Contents, Difference, Limits, Source};
use ring::rand::{SecureRandom as _, SystemRandom};
use snapshot::{Content, MarkKey, Piece, Snapshot, changes, gaps};
use std::path::Path;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use vault::{Case, Vault};

/// The largest package that is fetched: an image's layer may have 10 GB.
const LIMIT_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// The longest that one package is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3600);

/// Compares two cases of one vault.
pub(super) async fn read(
    (before, after): (&str, &str),
    options: &Options,
    output: &Output,
) -> Result<Document> {
    let opened = open_vault(options, output, false).await?;
    let vault = &*opened.vault;
    let mut ids: Vec<CaseId> = Vec::new();
    let mut cases: Vec<Case> = Vec::new();
    for named in [before, after] {
        let id = resolve(vault, &opened.place, named).await?;
        let case = reading::case(vault, &opened.place, &id).await?;
        let kind = case.first().target.kind;
        if kind != ResourceKind::Function {
            return Err(Failure::new(
                Kind::Usage,
                format!(
                    "{id} is of a {}; only functions are compared",
                    kind.as_str()
                ),
            ));
        }
        reading::tell_altered(&case);
        ids.push(id);
        cases.push(case);
    }
    let mut not_read = Vec::new();
    let mut pieces: Vec<Vec<Piece>> = Vec::new();
    for case in &cases {
        let told = Pieces::of(vault, case.first()).await?;
        let faults = told.findings.into_iter().map(|it| it.statement);
        not_read.extend(told.left_out.into_iter().chain(faults));
        pieces.push(told.pieces);
    }
    let ([was, is], [first, second], [a, b]) =
        (pieces.as_slice(), cases.as_slice(), ids.as_slice())
    else {
        anyhow::bail!("two cases are compared, no other number");
    };
    let key = mark_key()?;
    let (old, new) = (Snapshot::read(was, &key), Snapshot::read(is, &key));
    let side = |id: &CaseId, case: &Case| Side {
        what: id.to_string(),
        function: case.first().target.id_unqualified(),
        at: case.first().sealed_at,
    };
    // What coldcase itself did after it sealed the first.
    let is_traced_by_us =
        |entry: &CustodyEntry| matches!(entry.action, CustodyAction::TracingTurnedOn { .. });
    let mut custody = first
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.custody);
    let is_traced_by_us = custody.any(is_traced_by_us);
    let all = changes(&old, &new);
    let many = all.len();
    let others: Vec<_> = (all.into_iter())
        .filter(|change| !(is_traced_by_us && change.is_tracing_on()))
        .collect();
    let mut document = Document {
        vault: opened.place.raw(),
        altered: (cases.iter())
            .flat_map(reading::altered)
            .map(str::to_owned)
            .collect(),
        before: side(a, first),
        after: side(b, second),
        tracing_turned_on_by_coldcase: others.len() < many,
        changes: others,
        gaps: gaps(&old, &new),
        parts: Vec::new(),
        not_read,
    };
    let scratch = tempfile::tempdir().context("no files can be laid down to be compared")?;
    for pair in pairs(was, is) {
        let part = compare(vault, scratch.path(), pair).await?;
        document.parts.push(part);
    }
    Ok(document)
}

/// Marks are made for this comparison only: nobody else can hold a value against them.
fn mark_key() -> Result<MarkKey> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(MarkKey::new(bytes))
}

/// A package before and now.
type Pair<'a> = (Option<&'a Content>, Option<&'a Content>);

/// The packages that are not the same: code with code, a layer with any version of it.
fn pairs<'a>(was: &'a [Piece], is: &'a [Piece]) -> Vec<Pair<'a>> {
    let (old, new) = (packages(was), packages(is));
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for (name, content) in &new {
        let before = old.iter().find(|(known, _)| known == name);
        pairs.push((before.map(|(_, content)| *content), Some(content)));
    }
    let gone = old
        .iter()
        .filter(|(name, _)| !new.iter().any(|(known, _)| known == name));
    pairs.extend(gone.map(|(_, content)| (Some(*content), None)));
    let digest = |content: Option<&Content>| content.map(|content| content.sha256);
    pairs.retain(|(before, after)| digest(*before) != digest(*after));
    pairs
}

/// Each package with the name of its place.
fn packages(pieces: &[Piece]) -> Vec<(String, &Content)> {
    let mut packages = Vec::new();
    for piece in pieces {
        let selector = piece.request.selector.as_deref();
        let place = match piece.request.artifact {
            ArtifactKind::FunctionCode => format!("code {}", selector.unwrap_or("$LATEST")),
            ArtifactKind::Layer => {
                let layer = selector.and_then(|arn| Target::from_arn(arn).ok());
                let arn = layer.map(|layer| layer.id_unqualified());
                format!("layer {}", arn.as_deref().or(selector).unwrap_or_default())
            }
            _ => continue,
        };
        packages.extend(piece.archive().map(|content| (place, content)));
    }
    packages
}

async fn compare(vault: &dyn Vault, scratch: &Path, (before, after): Pair<'_>) -> Result<Part> {
    let name = after.or(before).map(|content| content.name.clone());
    let mut part = Part {
        part: name.unwrap_or_default(),
        before_sha256: before.map(|content| content.sha256),
        after_sha256: after.map(|content| content.sha256),
        not_compared: None,
        more_files: 0,
        difference: None,
    };
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(part);
    };
    let mut files = Vec::new();
    for content in [before, after] {
        match fetch(vault, scratch, content).await? {
            Ok(file) => files.push(file),
            Err(why) => {
                part.not_compared = Some(why);
                return Ok(part);
            }
        }
    }
    // Takes a while and waits for nobody.
    let compared = tokio::task::spawn_blocking(move || match files.as_slice() {
        [before, after] => difference(before.path(), after.path()),
        _ => Err("nothing was fetched".to_owned()),
    });
    match compared.await? {
        Ok(difference) => part.difference = Some(difference),
        Err(why) => part.not_compared = Some(why),
    }
    Ok(part)
}

async fn fetch(
    vault: &dyn Vault,
    scratch: &Path,
    content: &Content,
) -> Result<Result<NamedTempFile, String>> {
    let key = evidence::keys::content(&content.sha256);
    let deadline = Instant::now() + PATIENCE;
    let fetched =
        examine::fetch(vault, &key, content.sha256, scratch, LIMIT_BYTES, deadline).await?;
    Ok(fetched.map_err(|fault| format!("{}: {fault}", shown(&content.name, 100))))
}

fn difference(before: &Path, after: &Path) -> Result<Difference, String> {
    let limits = Limits::default();
    let told = |error: package::Unreadable| shown(&error.to_string(), 300);
    let read = |path: &Path| -> Result<(Source, Contents), String> {
        let mut source = Source::open(path).map_err(told)?;
        let contents = source.read(&limits, &mut []).map_err(told)?;
        Ok((source, contents))
    };
    let (mut before, was) = read(before)?;
    let (mut after, is) = read(after)?;
    Difference::read((&mut before, &was), (&mut after, &is), &limits).map_err(told)
}
