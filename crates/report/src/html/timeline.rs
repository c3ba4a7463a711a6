//! The timeline: a picture, the most telling entries as a table, and all entries as data for the script.

use super::escape::{data as encoded, esc};
use super::{badge, figure, gaps, pictures, time};
use crate::{Name, Report, Timeline, TimelineItem};
use evidence::TimelineSource;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::HashMap;
use std::io::{self, Write};

/// The most entries that are told without the script, and in print.
const TOLD_PLAINLY: usize = 250;

/// The most that the data may have, packed: the page must fit into the vault in one piece.
const MOST_BYTES: usize = 3 * 1024 * 1024;

/// The sources in the order of their lanes, as the script numbers them.
pub(super) const LANES: [(TimelineSource, &str); 9] = [
    (TimelineSource::Trigger, "Trigger"),
    (TimelineSource::AuditEvents, "Audit trail"),
    (TimelineSource::RoleActivity, "Role activity"),
    (TimelineSource::Deployment, "Deployment"),
    (TimelineSource::Invocation, "Invocations"),
    (TimelineSource::Baseline, "Known good"),
    (TimelineSource::Custody, "Custody"),
    (TimelineSource::Acquisition, "Acquisitions"),
    (TimelineSource::Finding, "Findings"),
];

pub(super) fn lane(source: TimelineSource) -> usize {
    LANES.iter().position(|(of, _)| *of == source).unwrap_or(0)
}

/// The section.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let timeline = &report.timeline;
    let plain = timeline.telling(TOLD_PLAINLY);
    writeln!(
        out,
        "<section id=\"timeline\" aria-labelledby=\"timeline-h\"><h2 id=\"timeline-h\">Timeline</h2>\n\
         <p class=\"lead\">{} entries{}. All times are UTC.</p>",
        figure(timeline.told),
        match (timeline.items.first(), timeline.items.last()) {
            (Some(first), Some(last)) => format!(
                ", {} to {}",
                time(first.occurred_at),
                time(last.occurred_at)
            ),
            _ => String::new(),
        }
    )?;
    if timeline.told > timeline.items.len() as u64 {
        writeln!(
            out,
            "<p class=\"note\">The {} most telling are on this page; all are in {}.</p>",
            figure(timeline.items.len() as u64),
            esc(&timeline.exhibits.join(", "))
        )?;
    }
    gaps(&timeline.gaps, out)?;
    // The script builds the picture that can be zoomed and the list of all into the first.
    writeln!(
        out,
        "<div id=\"timeline-live\" hidden></div>\n<div id=\"timeline-plain\">"
    )?;
    pictures::lanes(timeline, report.glance.occurred_at, out)?;
    if plain.len() < timeline.items.len() {
        writeln!(
            out,
            "<p class=\"lead\">The {} most telling entries:</p>",
            figure(plain.len() as u64)
        )?;
    }
    writeln!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"Timeline entries\" tabindex=\"0\"><table class=\"entries\">\
         <thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Source</th><th scope=\"col\">Severity</th>\
         <th scope=\"col\">What</th><th scope=\"col\">Who, from where</th></tr></thead><tbody>"
    )?;
    for item in plain {
        row(item, out)?;
    }
    writeln!(out, "</tbody></table></div></div></section>")
}

fn row(item: &TimelineItem, out: &mut impl Write) -> io::Result<()> {
    let (_, source) = LANES[lane(item.source)];
    write!(
        out,
        "<tr><td class=\"t\">{}</td><td>{source}</td><td>",
        time(item.occurred_at)
    )?;
    if let Some(severity) = item.severity {
        write!(out, "{}", badge(severity))?;
    }
    write!(
        out,
        "</td><td class=\"w\">{}</td><td class=\"w dim\">",
        esc(&item.what)
    )?;
    if let Some(who) = &item.who {
        write!(out, "{}", esc(who.as_str()))?;
    }
    if let Some(from) = &item.from {
        write!(out, " <span class=\"from\">{}</span>", esc(from.as_str()))?;
    }
    writeln!(out, "</td></tr>")
}

/// All entries as data, column by column: gzip, in base64.
pub(super) fn data(timeline: &Timeline, out: &mut impl Write) -> io::Result<()> {
    let mut most = timeline.items.len();
    let packed = loop {
        let items = timeline.telling(most);
        let packed = packed(timeline, &items)?;
        if packed.len() <= MOST_BYTES || most == 0 {
            break packed;
        }
        // Names that nobody can pack: the most telling entries are those that stay.
        most = most * MOST_BYTES / packed.len() * 9 / 10;
    };
    writeln!(
        out,
        "<script type=\"text/plain\" id=\"timeline-data\">{}</script>",
        encoded(&packed)
    )
}

fn packed(timeline: &Timeline, items: &[&TimelineItem]) -> io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::new(6));
    let mut names = Names::default();
    write!(out, "{{\"told\":{},\"lanes\":[", timeline.told)?;
    for (place, (_, name)) in LANES.iter().enumerate() {
        separate(&mut out, place)?;
        serde_json::to_writer(&mut out, name)?;
    }
    out.write_all(b"],\"at\":[")?;
    // Each as far from the one before, in milliseconds.
    let mut before = 0;
    for (place, item) in items.iter().enumerate() {
        separate(&mut out, place)?;
        let at = item.occurred_at.as_millisecond();
        write!(out, "{}", at - before)?;
        before = at;
    }
    out.write_all(b"],\"lane\":\"")?;
    for item in items {
        write!(out, "{}", lane(item.source))?;
    }
    out.write_all(b"\",\"severity\":\"")?;
    for item in items {
        let severity = item.severity.map_or(0, |severity| severity as u8 + 1);
        write!(out, "{severity}")?;
    }
    out.write_all(b"\",\"what\":[")?;
    for (place, item) in items.iter().enumerate() {
        separate(&mut out, place)?;
        serde_json::to_writer(&mut out, &item.what)?;
    }
    for (name, of) in [
        (
            "who",
            (|item| item.who.as_ref()) as fn(&TimelineItem) -> Option<&Name>,
        ),
        ("from", |item| item.from.as_ref()),
        ("exhibit", |item| item.exhibit.as_ref()),
    ] {
        write!(out, "],\"{name}\":[")?;
        for (place, item) in items.iter().enumerate() {
            separate(&mut out, place)?;
            write!(out, "{}", names.place(of(item)))?;
        }
    }
    out.write_all(b"],\"line\":[")?;
    for (place, item) in items.iter().enumerate() {
        separate(&mut out, place)?;
        write!(out, "{}", item.line.unwrap_or_default())?;
    }
    out.write_all(b"],\"id\":[")?;
    for (place, item) in items.iter().enumerate() {
        separate(&mut out, place)?;
        serde_json::to_writer(&mut out, item.id.as_deref().unwrap_or_default())?;
    }
    out.write_all(b"],\"names\":")?;
    serde_json::to_writer(&mut out, &names.all)?;
    out.write_all(b"}")?;
    out.finish()
}

fn separate(out: &mut impl Write, place: usize) -> io::Result<()> {
    match place {
        0 => Ok(()),
        _ => out.write_all(b","),
    }
}

/// Names, each once; the first is none.
#[derive(Default)]
struct Names<'a> {
    all: Vec<&'a str>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn place(&mut self, name: Option<&'a Name>) -> usize {
        if self.all.is_empty() {
            self.all.push("");
        }
        let Some(name) = name else { return 0 };
        *self.places.entry(name.as_str()).or_insert_with(|| {
            self.all.push(name.as_str());
            self.all.len() - 1
        })
    }
}
