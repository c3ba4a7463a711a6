//! Finds replies among the pieces, and says whether what is not there is known not to be there. Nothing in
//! it is of one provider.

use crate::model::Place;
use crate::piece::Piece;
use crate::reading::{NOT_ASKED, Reading};
use evidence::{ArtifactKind, Outcome};
use serde_json::Value;

/// How many entries of a list are read.
pub(crate) const MOST: usize = 10_000;

/// What came of one request to a provider.
pub(crate) type Found<'a> = (Place, &'a Value);

/// What was asked for: a kind and a selector.
pub(crate) type Asked<'a> = (ArtifactKind, Option<&'a str>);

/// All pieces.
#[derive(Clone, Copy)]
pub(crate) struct Papers<'a>(pub(crate) &'a [Piece]);

impl<'a> Papers<'a> {
    /// The piece of a request. Where a request was made twice, the one that brought everything.
    pub(crate) fn piece(self, (artifact, selector): Asked<'_>) -> Option<&'a Piece> {
        let all = self.0.iter().filter(|piece| {
            piece.request.artifact == artifact && piece.request.selector.as_deref() == selector
        });
        all.min_by_key(|piece| match piece.result {
            Outcome::Acquired => 0,
            Outcome::Absent { .. } => 1,
            Outcome::Partial { .. } => 2,
            Outcome::Denied { .. } | Outcome::Failed { .. } => 3,
        })
    }

    /// The selectors with which this kind was asked for.
    pub(crate) fn selectors(self, artifact: ArtifactKind) -> Vec<Option<&'a str>> {
        let of_kind = self
            .0
            .iter()
            .filter(|piece| piece.request.artifact == artifact);
        let mut selectors: Vec<_> = of_kind
            .map(|piece| piece.request.selector.as_deref())
            .take(MOST)
            .collect();
        selectors.sort_unstable();
        selectors.dedup();
        selectors
    }

    /// What the documents are about, as the collectors write it into each.
    pub(crate) fn targets(self) -> impl Iterator<Item = &'a str> {
        let documents = self.0.iter().flat_map(|piece| &piece.documents);
        documents.filter_map(|document| document.json.get("target")?.as_str())
    }

    /// The first reply of a call; none if the provider says that there is none.
    pub(crate) fn reply(self, asked: Asked<'_>, call: &str) -> Reading<Option<Found<'a>>> {
        let Some(piece) = self.piece(asked) else {
            return not_asked(asked);
        };
        match replies(piece, call).next() {
            Some(found) => Reading::Known(Some(found)),
            None => missing(piece, None),
        }
    }

    /// The entries of a list that is read page by page: what stands under `field` in every reply.
    /// A last page that names a next one is the sign of a list that broke off.
    pub(crate) fn list(
        self,
        asked: Asked<'_>,
        call: &str,
        field: &str,
        marker: &str,
    ) -> Reading<Vec<Found<'a>>> {
        let Some(piece) = self.piece(asked) else {
            return not_asked(asked);
        };
        let mut entries = Vec::new();
        let mut goes_on = None;
        for (place, reply) in replies(piece, call) {
            let next = reply.get(marker).and_then(Value::as_str);
            goes_on = Some(next.is_some_and(|next| !next.is_empty()));
            let listed = reply.get(field).and_then(Value::as_array);
            for (index, entry) in listed.into_iter().flatten().enumerate() {
                let pointer = format!("{}/{field}/{index}", place.pointer);
                let exhibit = place.exhibit.clone();
                entries.push((Place { exhibit, pointer }, entry));
            }
        }
        let is_cut = entries.len() > MOST;
        entries.truncate(MOST);
        match goes_on {
            None => missing(piece, Vec::new()),
            Some(false) if !is_cut => Reading::Known(entries),
            Some(_) => Reading::Partly {
                value: entries,
                why: piece
                    .result
                    .why()
                    .unwrap_or("the list has more entries than are read")
                    .to_owned(),
            },
        }
    }
}

/// The replies of a call with where they stand.
pub(crate) fn replies<'a>(piece: &'a Piece, call: &str) -> impl Iterator<Item = Found<'a>> {
    entries(piece).filter_map(move |(place, entry)| {
        (entry.get("call")?.as_str()? == call).then_some(())?;
        let pointer = format!("{}/reply", place.pointer);
        Some((Place { pointer, ..place }, entry.get("reply")?))
    })
}

/// What was noted that no call answered, with its name.
pub(crate) fn notes(piece: &Piece) -> impl Iterator<Item = (&str, Place, &Value)> {
    entries(piece).filter_map(|(place, entry)| {
        let name = entry.get("note")?.as_str()?;
        let pointer = format!("{}/value", place.pointer);
        Some((name, Place { pointer, ..place }, entry.get("value")?))
    })
}

/// What each call of a piece was about: `(api, about, reply)`.
pub(crate) fn entries(piece: &Piece) -> impl Iterator<Item = Found<'_>> {
    piece.documents.iter().flat_map(|document| {
        let replies = document.json.get("replies").and_then(Value::as_array);
        let replies = replies.into_iter().flatten().take(MOST).enumerate();
        replies.map(|(index, entry)| {
            let place = Place {
                exhibit: document.name.clone(),
                pointer: format!("/replies/{index}"),
            };
            (place, entry)
        })
    })
}

/// Nothing was answered: whether that means that there is nothing.
pub(crate) fn missing<T>(piece: &Piece, none: T) -> Reading<T> {
    match &piece.result {
        // The collectors say *absent* of what they do not look up, too.
        Outcome::Absent { why } if why.starts_with("not looked up") => Reading::unknown(why),
        Outcome::Acquired | Outcome::Absent { .. } => Reading::Known(none),
        Outcome::Partial { why } | Outcome::Denied { why } | Outcome::Failed { why } => {
            Reading::unknown(why)
        }
    }
}

pub(crate) fn not_asked<T>((artifact, selector): Asked<'_>) -> Reading<T> {
    let which = selector.map(|selector| format!(" {selector}"));
    Reading::unknown(format!(
        "{}{}{NOT_ASKED}",
        artifact.as_str(),
        which.unwrap_or_default()
    ))
}

/// The only one of its kind.
pub(crate) const fn whole(artifact: ArtifactKind) -> (ArtifactKind, Option<&'static str>) {
    (artifact, None)
}

/// A text that says something.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value as text: texts bare, the rest as JSON with its keys sorted. The order of lists is kept.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => sorted(other).to_string(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
