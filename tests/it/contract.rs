//! The contracts at the door: what senders, people and programs were promised, asked of the real program over HTTP and on
//! the command line.

mod lifecycle;
