//! What only the SQLite store promises: how it is opened, and what its views show. What every store promises is in
//! `tests/store/`; the plans of its statements and the settings of its connections are tested beside them.

mod open;
mod views;
