//! Whole journeys: real calls in the local account, real events, the deployed function under its own
//! role, and what is in the vault afterwards.

mod contents;
mod crash;
mod delivery;
mod direct;
mod events;
mod evidence_locked;
mod noise;
mod own_parts;
mod permissions;
mod redelivery;
mod roles;
mod roles_policy;
mod tracing;
mod vault_contract;
