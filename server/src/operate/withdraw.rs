//! `withhold` and `erase`: withdrawing what the log holds beside the tree. See
//! [`crate::core::withdrawn`] for what is remembered of it.

mod document;
mod draft;
mod fields;
mod search;

pub(crate) use document::{DocumentRequest, withdraw_document};
pub(crate) use fields::{FieldsRequest, erase, withhold};
