//! What runs a function's code and where it begins, without a snapshot: for who examines packages.

use crate::papers::{Papers, text};
use crate::piece::Piece;
use evidence::ArtifactKind;
use serde_json::Value;

/// What runs the code of a function, and in what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The runtime in the provider's words: `python3.12`, `workers`; none of an image.
    pub runtime: Option<String>,
    /// The entry point in the provider's words: the handler, or the main module.
    pub handler: Option<String>,
    /// The ids of its layers, in the order in which they are laid over each other.
    pub layers: Vec<String>,
}

/// What runs the function, or its version or alias `qualifier`. What is not known is none: nothing here
/// tells it apart from what is not there.
pub fn runtime_of(pieces: &[Piece], qualifier: Option<&str>) -> Running {
    let papers = Papers(pieces);
    let target = papers.targets().next().unwrap_or_default();
    if target.starts_with("cloudflare://") {
        return Running {
            runtime: Some(crate::cloudflare::RUNTIME.to_owned()),
            handler: crate::cloudflare::main_module(papers, qualifier),
            layers: Vec::new(),
        };
    }
    let settings = pieces
        .iter()
        .find(|piece| {
            piece.request.artifact == ArtifactKind::Configuration
                && piece.request.selector.as_deref() == qualifier
        })
        .and_then(|piece| {
            let mut documents = piece.documents.iter();
            documents.find_map(|document| document.json.pointer("/replies/0/reply"))
        });
    let Some(settings) = settings else {
        return Running::default();
    };
    if target.starts_with("gcp://") {
        return Running {
            runtime: text(settings, "/buildConfig/runtime"),
            handler: text(settings, "/buildConfig/entryPoint"),
            layers: Vec::new(),
        };
    }
    let layers = settings.get("Layers").and_then(Value::as_array);
    Running {
        runtime: text(settings, "/Runtime"),
        handler: text(settings, "/Handler"),
        layers: layers
            .into_iter()
            .flatten()
            .filter_map(|layer| text(layer, "/Arn"))
            .collect(),
    }
}
