//! Whole journeys: real calls in the local account, real events, the deployed function under its own
//! role, and what is in the vault afterwards.

mod contents;
mod delivery;
mod events;
mod evidence_locked;
mod redelivery;
mod vault_contract;
