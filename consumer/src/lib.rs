//! Laju's consumer: folds activation events into per-region figures, and answers questions about
//! them. Arrows point one way: api → query → projection → domain → `laju_schemas`; ingest →
//! domain and projection; seed → query and projection.

pub mod api;
pub mod backup;
mod bystanders;
pub mod cli;
pub mod demo;
pub mod domain;
pub mod export;
mod files;
pub mod ingest;
pub mod node;
pub mod projection;
pub mod query;
pub mod replay;
pub mod seed;
