//! The program as whoever runs it meets it: how it starts, what it says when it can not, and how it ends.

mod http;
mod start;
mod stop;
