//! The sandbox's HTTP server, fault rules, control address and command, over real sockets. Most of it runs in front of
//! services so small that only the server can be at fault.

mod command;
mod control;
mod faults;
mod http;
mod starting;
mod support;
mod traffic;
