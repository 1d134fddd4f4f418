//! From OTLP to the model.

mod message;

pub use message::value;
