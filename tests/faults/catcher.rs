//! An address at which nothing may ever arrive.

/// Somebody who listens at an address of their own and counts who comes.
pub struct Catcher(std::net::TcpListener);

impl Catcher {
    pub fn listen() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of ours");
        Self(listener)
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("bound"))
    }

    pub fn visitors(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}
