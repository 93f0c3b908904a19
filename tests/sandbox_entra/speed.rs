//! The tenant is fast and small enough that it is never what is measured.
//!
//! `cargo test --release --test sandbox_entra speed -- --ignored --nocapture` prints the figures.

use std::hint::black_box;
use std::time::Instant;

use avatar_sync::sandbox::exchange::Service;
use http::Method;

use crate::support::{Answered, Tenant, ask, id_of, people};

/// Requests a second of a closure called so many times.
fn rate(times: u32, mut call: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    for number in 0..times {
        call(number);
    }
    f64::from(times) / start.elapsed().as_secs_f64()
}

/// Memory in use by this process, in megabytes.
fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[test]
#[ignore = "prints figures; worth something in a release build only"]
fn figures_with_300_000_people() {
    const PEOPLE: usize = 300_000;
    let before = resident_mb();
    let start = Instant::now();
    let tenant = Tenant::with(people(PEOPLE).map(|person| {
        person.reporting_to("person7").with(|user| {
            user.employee_id = Some("1234567".into());
            user.photo = Some(avatar_sync::sandbox::world::directory::DirectoryPhoto {
                picture: drawn(),
                version: 1,
            });
        })
    }));
    println!("directory of {PEOPLE} people in {:?}", start.elapsed());
    if let (Some(before), Some(after)) = (before, resident_mb()) {
        println!("directory: {:.0} MB", after - before);
        assert!(after - before < 120.0 || cfg!(debug_assertions));
    }
    let token = format!("Bearer {}", tenant.token);
    tenant.switch(|settings| settings.throttling = false);
    let requests: Vec<_> = (0..1_000)
        .map(|number| {
            let id = id_of(&format!("person{}", number * 299));
            ask(Method::GET, &format!("/v1.0/users/{id}/photo"))
                .header("authorization", &token)
                .request
        })
        .collect();
    let photos = rate(100_000, |number| {
        let request = &requests[number as usize % requests.len()];
        let Ok(admission) = tenant.service.admit(request) else {
            panic!("refused");
        };
        black_box(tenant.service.answer_admitted(request, &admission));
    });
    println!("photo metadata: {photos:.0}/s");
    let requests: Vec<_> = requests
        .into_iter()
        .map(|mut request| {
            request.path = request.path.replace("/photo", "");
            request
        })
        .collect();
    let users = rate(100_000, |number| {
        let request = &requests[number as usize % requests.len()];
        let Ok(admission) = tenant.service.admit(request) else {
            panic!("refused");
        };
        black_box(tenant.service.answer_admitted(request, &admission));
    });
    println!("one user: {users:.0}/s");
    let mut next = Some(
        "/v1.0/users?$select=id,displayName,userPrincipalName,mail,accountEnabled,userType&$top=999"
            .to_owned(),
    );
    let mut pages = 0;
    let mut listing = std::time::Duration::ZERO;
    while let Some(url) = next {
        let start = Instant::now();
        let answer = tenant.get(&url);
        listing += start.elapsed();
        next = answer.link("@odata.nextLink");
        pages += 1;
    }
    println!("list page of 999: {:?}", listing / pages);
    assert_eq!(pages, 301);
    for query in [
        "$filter=startswith(displayName,'person299999')",
        "$orderby=displayName&$top=999",
    ] {
        let start = Instant::now();
        assert_eq!(tenant.get(&format!("/v1.0/users?{query}")).status, 200);
        println!("{query}: {:?}", start.elapsed());
    }
}

fn drawn() -> avatar_sync::sandbox::world::picture::Picture {
    use avatar_sync::sandbox::portraits::Portrait;
    avatar_sync::sandbox::world::picture::Picture::Drawn(Portrait::new(1, 1))
}
