use bytes::Bytes;
use http::{HeaderValue, Method};

use super::*;

fn request(path: &str) -> Request {
    Request {
        method: Method::GET,
        path: path.to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        base: "http://127.0.0.1:1".to_owned(),
    }
}

fn with_cookie(path: &str, cookie: &'static str) -> Request {
    let mut request = request(path);
    request.headers.insert(COOKIE, HeaderValue::from_static(cookie));
    request
}

fn retry_after(value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).expect("a header value");
    HeaderMap::from_iter([(RETRY_AFTER, value)])
}

fn lane(counts: &Counts, lane: Lane) -> LaneTraffic {
    counts.traffic(0).lanes[&lane].clone()
}

const OK: Ending = Ending::Answered(StatusCode::OK);
const THROTTLED: Ending = Ending::Answered(StatusCode::TOO_MANY_REQUESTS);

#[test]
fn requests_fall_into_the_lanes_that_clients_throttle_together() {
    let cases = [
        ("entra", "/contoso/oauth2/v2.0/token", Lane::Login),
        (
            "entra",
            "/contoso/v2.0/.well-known/openid-configuration",
            Lane::Login,
        ),
        ("entra", "/common/discovery/instance", Lane::Login),
        ("entra", "/v1.0/users", Lane::Directory),
        ("entra", "/v1.0/users/ada/photos/360x360/$value", Lane::Photos),
        ("entra", "/v1.0/$batch", Lane::Photos),
        ("servicenow", "/oauth_token.do", Lane::Servicenow),
        ("servicenow", "/api/now/table/sys_user", Lane::Servicenow),
    ];
    for (service, path, lane) in cases {
        assert_eq!(Lane::of(service, path), lane, "{service} {path}");
    }
}

#[test]
fn counts_are_kept_by_route_until_they_are_reset() {
    let counts = Arc::new(Counts::default());
    for _ in 0..3 {
        let passage = counts.arrive("entra", "GET /v1.0/users/{id}", &request("/v1.0/users/ada"), 1);
        passage.end(OK, &HeaderMap::new(), 2);
    }
    drop(counts.arrive("servicenow", "GET /a", &request("/a"), 3));

    let requests = counts.requests();
    assert_eq!(requests.total, 4);
    assert_eq!(requests.by_route["entra GET /v1.0/users/{id}"], 3);
    assert_eq!(requests.by_route["servicenow GET /a"], 1);

    counts.reset();
    assert_eq!(counts.requests().total, 0);
    assert!(counts.requests().by_route.is_empty());
}

#[test]
fn a_very_long_route_is_counted_under_its_full_name() {
    let counts = Arc::new(Counts::default());
    let route = format!("GET /{}", "a".repeat(300));
    drop(counts.arrive("servicenow", &route, &request("/a"), 1));
    assert_eq!(
        counts.requests().by_route[format!("servicenow {route}").as_str()],
        1
    );
}

#[test]
fn the_number_of_routes_is_bounded() {
    let counts = Arc::new(Counts::default());
    for number in 0..MOST_ROUTES + 10 {
        drop(counts.arrive("servicenow", &format!("GET /{number}"), &request("/"), 1));
    }
    assert_eq!(counts.requests().by_route["servicenow other"], 10);
}

#[test]
fn most_in_flight_is_the_highest_number_at_once_in_a_lane() {
    let counts = Arc::new(Counts::default());
    let first = counts.arrive("entra", "r", &request("/v1.0/users"), 1);
    let second = counts.arrive("entra", "r", &request("/v1.0/users"), 1);
    let photo = counts.arrive("entra", "r", &request("/v1.0/users/ada/photo"), 1);
    first.end(OK, &HeaderMap::new(), 5);
    second.end(OK, &HeaderMap::new(), 5);
    counts
        .arrive("entra", "r", &request("/v1.0/users"), 6)
        .end(OK, &HeaderMap::new(), 7);

    let directory = lane(&counts, Lane::Directory);
    assert_eq!(
        (directory.requests, directory.most_in_flight, directory.in_flight),
        (3, 2, 0)
    );
    assert_eq!(lane(&counts, Lane::Photos).in_flight, 1);
    drop(photo);
    assert_eq!(lane(&counts, Lane::Photos).abandoned, 1);
}

#[test]
fn a_request_inside_a_pause_is_early_and_one_already_on_its_way_is_not() {
    let counts = Arc::new(Counts::default());
    let arrive = |now| counts.arrive("servicenow", "r", &request("/api"), now);
    arrive(1_000).end(THROTTLED, &retry_after("2"), 1_000);

    arrive(1_050).end(OK, &HeaderMap::new(), 1_060);
    assert_eq!(
        lane(&counts, Lane::Servicenow).early,
        0,
        "sent before the refusal was read"
    );
    arrive(2_000).end(THROTTLED, &retry_after("2"), 2_000);
    assert_eq!(lane(&counts, Lane::Servicenow).early, 1);
    arrive(3_500).end(OK, &HeaderMap::new(), 3_500);
    assert_eq!(lane(&counts, Lane::Servicenow).early, 2, "the wait started anew");
    arrive(4_000).end(OK, &HeaderMap::new(), 4_000);
    assert_eq!(lane(&counts, Lane::Servicenow).early, 2, "the wait is over");
    drop(counts.arrive("entra", "r", &request("/v1.0/users"), 2_000));
    assert_eq!(lane(&counts, Lane::Directory).early, 0, "another lane");
}

#[test]
fn retry_after_is_read_as_seconds_decimals_or_a_date() {
    let now = 784_111_777_000;
    let cases = [
        ("7", Some(7_000)),
        ("2.128", Some(2_128)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", None),
        ("0", None),
        ("-5", None),
        ("soon", None),
    ];
    for (text, wait) in cases {
        assert_eq!(wait_ms(&retry_after(text), now), wait, "{text}");
    }
}

#[test]
fn repeating_a_failed_request_is_a_retry_until_it_succeeds() {
    let counts = Arc::new(Counts::default());
    let ask = |path: &str, ending| {
        counts
            .arrive("servicenow", "r", &request(path), 1)
            .end(ending, &HeaderMap::new(), 1);
    };
    let retries = || lane(&counts, Lane::Servicenow).retries;

    ask("/a", Ending::Answered(StatusCode::BAD_GATEWAY));
    ask("/b", OK);
    assert_eq!(retries(), 0);
    ask("/a", Ending::Dropped);
    ask("/a", OK);
    assert_eq!(retries(), 2);
    ask("/a", OK);
    assert_eq!(retries(), 2, "it succeeded in between");
}

#[test]
fn sessions_are_told_apart_by_their_cookie() {
    let counts = Arc::new(Counts::default());
    let one = counts.arrive("servicenow", "r", &with_cookie("/a", "x=1; JSESSIONID=one"), 1);
    let other = counts.arrive("servicenow", "r", &with_cookie("/a", "JSESSIONID=other"), 1);
    let again = counts.arrive("servicenow", "r", &with_cookie("/a", "JSESSIONID=one; y=2"), 1);
    let without = counts.arrive("servicenow", "r", &request("/a"), 1);
    drop((one, other, again, without));

    let traffic = counts.traffic(10);
    let expected = SessionTraffic {
        opened: 1,
        resumed: 2,
        most_at_once: 2,
    };
    assert_eq!(traffic.sessions, expected);
    assert_eq!(traffic.lanes[&Lane::Servicenow].with_cookie, 3);
    assert_eq!(traffic.log.len(), 4);
}

#[test]
fn the_log_tells_when_what_and_how_it_ended() {
    let counts = Arc::new(Counts::default());
    counts
        .arrive("entra", "GET /a", &request("/a"), 10)
        .end(OK, &HeaderMap::new(), 25);
    counts
        .arrive("entra", "GET /b", &request("/b"), 30)
        .end(Ending::Dropped, &HeaderMap::new(), 31);

    let log = counts.traffic(1).log;
    assert_eq!(log.len(), 1, "only as many as asked for, the latest");
    assert_eq!(
        (&*log[0].route, log[0].status, log[0].took_ms),
        ("entra GET /b", 0, 1)
    );
    assert_eq!(counts.traffic(9).log[0].took_ms, 15);
}
