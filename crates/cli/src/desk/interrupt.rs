//! Ctrl-C: what is under way is left where it is, since all of it can be gone on with.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(50);

/// Ctrl-C was pressed, or the process was asked to end.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on Ctrl-C is asked for; a second one ends the process at once.
    pub fn watch() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// Comes back when somebody wants an end.
    pub async fn wait(&self) {
        while !self.0.load(Ordering::SeqCst) {
            tokio::time::sleep(LOOK).await;
        }
    }
}
