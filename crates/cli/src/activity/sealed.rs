//! What a function's role did, as it is sealed in a case.

use super::{Args, page};
use crate::desk::{Failure, Kind, Options, Output, Reading, Tone};
use anyhow::Result;
use evidence::{ArtifactKind, CaseId, CustodyAction, Exhibit, Manifest, Window, shown};
use serde::Serialize;
use std::process::ExitCode;
use trail::Summary;
use vault::exhibit_bytes;

#[derive(Serialize)]
struct Document<'a> {
    vault: String,
    case_id: &'a CaseId,
    /// What of the chain does not fit together.
    altered: Vec<&'a str>,
    /// The addendum that says so.
    sequence: u32,
    /// What it is of.
    window: Option<&'a Window>,
    exhibit: &'a str,
    /// Why it does not hold all; none if it does.
    not_all: Option<&'a str>,
    summary: Summary,
}

/// Tells the role activity of the case that `args` name: that of its last pass, which counts what the
/// passes before it brought as well.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let named = args.case.as_deref().unwrap_or("latest");
    let reading = Reading::of(named, options, &output).await?;
    let Some((manifest, exhibit, why)) = latest(&reading.case.manifests) else {
        return Err(Failure::new(Kind::Absent, why_none(&reading)));
    };
    let name = shown(&exhibit.name, 100);
    let bytes = exhibit_bytes(reading.vault(), exhibit).await?;
    let bytes = bytes
        .map_err(|fault| Failure::new(Kind::Vault, format!("{name} of {}: {fault}", reading.id)))?;
    let summary = serde_json::from_slice(&bytes).map_err(|error| {
        let what = shown(&error.to_string(), 200);
        Failure::new(
            Kind::Vault,
            format!("{name} of {} is no summary: {what}", reading.id),
        )
    })?;
    let window = manifest
        .custody
        .iter()
        .find_map(|entry| match &entry.action {
            CustodyAction::WindowCollected { window, .. } => Some(window),
            _ => None,
        });
    let document = Document {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        altered: reading.altered(),
        sequence: manifest.sequence,
        window,
        exhibit: &exhibit.name,
        not_all: why,
        summary,
    };
    output.answer(&document, |out| {
        page::write(out, &document.summary)?;
        match document.not_all {
            Some(why) => {
                let told = format!("not all of it: {}", shown(why, 400));
                writeln!(out, "{}", Tone::Warn.paint(told))
            }
            None => Ok(()),
        }
    })?;
    Ok(reading.code())
}

/// The last summary, and why it does not hold all.
fn latest(manifests: &[Manifest]) -> Option<(&Manifest, &Exhibit, Option<&str>)> {
    manifests.iter().rev().find_map(|manifest| {
        let mut acquisitions = manifest.acquisitions.iter();
        let is_activity =
            |it: &&evidence::Acquisition| it.request.artifact == ArtifactKind::RoleActivity;
        let acquisition = acquisitions.find(is_activity)?;
        let mut exhibits = acquisition.exhibits.iter();
        let exhibit = exhibits.find(|exhibit| {
            exhibit.name.ends_with("-summary") && exhibit.media_type == "application/json"
        })?;
        Some((manifest, exhibit, acquisition.result.why()))
    })
}

fn why_none(reading: &Reading) -> String {
    let manifests = reading.case.manifests.iter().rev();
    let mut acquisitions = manifests.flat_map(|manifest| &manifest.acquisitions);
    let activity = acquisitions.find(|it| it.request.artifact == ArtifactKind::RoleActivity);
    match activity {
        Some(activity) => format!(
            "{} holds no role activity: {} ({})",
            reading.id,
            activity.result.as_str(),
            shown(activity.result.why().unwrap_or("no summary"), 400)
        ),
        None => format!(
            "what the role did was not collected for {} yet; with --role and --trail it is read from the \
             trail's files",
            reading.id
        ),
    }
}
