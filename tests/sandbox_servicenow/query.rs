//! The encoded query language of `servicenow.md` 2.3, run over rows.

use avatar_sync::sandbox::world::instance::SysId;

use crate::instance::{A1, A2, ACCOUNT, P1, Practice, U1, user};

/// User names that a query finds, in its order.
#[track_caller]
fn found(practice: &Practice, query: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let target = format!("/api/now/table/sys_user?sysparm_fields=user_name&sysparm_query={encoded}");
    practice.get(&target).column("user_name")
}

/// Ann (inactive), Bob, Bea; Bea has no e-mail and a caret in her title.
fn three() -> Practice {
    Practice::with(|instance| {
        let mut ann = user(&"1".repeat(32), "ann", "Ann Lee");
        ann.active = false;
        ann.employee_number = "10".into();
        let mut bob = user(&"2".repeat(32), "bob", "Bob Lee");
        bob.employee_number = "9".into();
        bob.audit.created_on = "2024-06-01T12:00:00Z".parse().expect("a moment");
        let mut bea = user(&"3".repeat(32), "bea", "Bea Ünal");
        bea.email = "".into();
        bea.title = "a^b".into();
        bea.employee_number = "bea".into();
        bea.audit.created_on = "2024-07-01T12:00:00Z".parse().expect("a moment");
        for row in [ann, bob, bea] {
            instance.put_user(row);
        }
    })
}

#[test]
fn every_operator_finds_its_rows() {
    let practice = three();
    for (query, expected) in [
        ("user_name=bob", vec!["bob"]),
        ("user_name!=bob", vec!["ann", "bea"]),
        ("active=true", vec!["bob", "bea"]),
        ("active!=true", vec!["ann"]),
        ("active=false", vec!["ann"]),
        ("user_nameINann,bea,zed", vec!["ann", "bea"]),
        ("user_nameNOT INann,bea", vec!["bob"]),
        ("nameSTARTSWITHB", vec!["bob", "bea"]),
        ("nameENDSWITHLee", vec!["ann", "bob"]),
        ("nameLIKEb L", vec!["bob"]),
        ("nameCONTAINSLee", vec!["ann", "bob"]),
        ("nameNOT LIKELee", vec!["bea"]),
        ("nameDOES NOT CONTAINLee", vec!["bea"]),
        ("emailISEMPTY", vec!["bea"]),
        ("emailISNOTEMPTY", vec!["ann", "bob"]),
        ("emailEMPTYSTRING", vec!["bea"]),
        ("email=", vec!["bea"]),
        ("emailANYTHING", vec!["ann", "bob", "bea"]),
        ("user_name>bea", vec!["bob"]),
        ("user_name>=bea", vec!["bob", "bea"]),
        ("user_name<bea", vec!["ann"]),
        ("user_name<=bea", vec!["ann", "bea"]),
        ("user_nameBETWEENann@bea", vec!["ann", "bea"]),
        ("sys_created_on>2024-06-01 11:59:59", vec!["bob", "bea"]),
        ("sys_created_onBETWEEN2024-06-01@2024-06-30 23:59:59", vec!["bob"]),
        ("user_nameSAMEASemployee_number", vec!["bea"]),
        ("user_nameNSAMEASemployee_number", vec!["ann", "bob"]),
        ("title=a^^b", vec!["bea"]),
        ("sys_idSTARTSWITH22", vec!["bob"]),
        ("photoISEMPTY", vec!["ann", "bob", "bea"]),
    ] {
        assert_eq!(found(&practice, query), expected, "{query}");
    }
}

#[test]
fn and_or_and_new_groups_bind_as_documented() {
    let practice = three();
    for (query, expected) in [
        ("active=true^user_name=ann^ORuser_name=bob", vec!["bob"]),
        ("active=false^NQuser_name=bea", vec!["ann", "bea"]),
        (
            "user_name=ann^active=true^NQuser_name=bob^active=true",
            vec!["bob"],
        ),
        ("", vec!["ann", "bob", "bea"]),
        ("^^^", vec!["ann", "bob", "bea"]),
        ("active=true^EQ", vec!["bob", "bea"]),
    ] {
        assert_eq!(found(&practice, query), expected, "{query}");
    }
}

#[test]
fn rows_are_ordered_by_columns_and_ties_by_key() {
    let practice = three();
    for (query, expected) in [
        ("ORDERBYuser_name", ["ann", "bea", "bob"]),
        ("ORDERBYDESCuser_name", ["bob", "bea", "ann"]),
        ("ORDERBYactive^ORDERBYDESCuser_name", ["ann", "bob", "bea"]),
        ("ORDERBYtitle", ["bea", "ann", "bob"]),
        ("ORDERBYDESCsys_created_on", ["bea", "bob", "ann"]),
        ("ORDERBYsys_id", ["ann", "bob", "bea"]),
        ("ORDERBYDESCsys_id", ["bea", "bob", "ann"]),
        (
            "active=true^ORDERBYDESCsys_id^NQuser_name=ann",
            ["bea", "bob", "ann"],
        ),
    ] {
        assert_eq!(found(&practice, query), expected, "{query}");
    }
}

#[test]
fn values_compare_without_case_unless_the_instance_minds() {
    let practice = three();
    assert_eq!(found(&practice, "user_name=BOB"), ["bob"]);
    assert_eq!(
        found(&practice, "emailINANN@EXAMPLE.COM,Bob@Example.com"),
        ["ann", "bob"]
    );
    assert_eq!(found(&practice, "nameLIKEÜNAL"), ["bea"]);
    practice.set(|settings| settings.case_sensitive_values = true);
    assert_eq!(found(&practice, "user_name=BOB"), [""; 0]);
    assert_eq!(found(&practice, "user_name=bob"), ["bob"]);
    assert_eq!(found(&practice, "nameLIKEÜNAL"), [""; 0]);
}

#[test]
fn column_names_are_case_sensitive_so_a_capital_drops_the_condition() {
    assert_eq!(found(&three(), "User_name=bob").len(), 3);
}

#[test]
fn an_unknown_alternative_is_dropped_and_the_others_stay() {
    let practice = three();
    assert_eq!(found(&practice, "nope=1^ORuser_name=bob"), ["bob"]);
    assert_eq!(found(&practice, "user_name=bob^NQnope=1"), ["bob"]);
    assert_eq!(
        found(
            &practice,
            "user_name=bob^JOINsys_user.manager=sys_user.sys_id!active=true"
        ),
        ["bob"]
    );
}

#[test]
fn scripts_know_the_signed_in_user_and_nothing_else() {
    let practice = three();
    practice.put(|instance| instance.put_user(user(&"4".repeat(32), ACCOUNT, "Service")));
    assert_eq!(
        found(&practice, "user_name=javascript:gs.getUserName()"),
        [ACCOUNT]
    );
    assert_eq!(found(&practice, "sys_id=javascript:gs.getUserID()"), [ACCOUNT]);
    assert_eq!(found(&practice, "user_name=javascript:while(true);"), [""; 0]);
    assert_eq!(
        found(
            &practice,
            "sys_created_on>=javascript:gs.dateGenerate('2024-07-01','00:00:00')"
        ),
        ["bea"]
    );
}

#[test]
fn pairs_of_name_and_value_stand_for_a_query() {
    let practice = three();
    let answer = practice.get("/api/now/table/sys_user?active=true&user_name=bea&sysparm_fields=user_name");
    assert_eq!(answer.column("user_name"), ["bea"]);
}

#[test]
fn keyset_paging_sees_every_row_once_in_order() {
    let practice = Practice::with(|instance| {
        for number in 0..57_u128 {
            // Scattered keys, put in an order of their own.
            let sys_id = SysId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
            instance.put_user(user(&sys_id.to_string(), &format!("user{number}"), "Somebody"));
        }
    });
    let mut seen: Vec<String> = Vec::new();
    loop {
        let after = seen
            .last()
            .map_or_else(String::new, |last| format!("^sys_id>{last}"));
        let page = practice
            .get(&format!(
                "/api/now/table/sys_user?sysparm_query=active=true{after}^ORDERBYsys_id&sysparm_limit=10\
                 &sysparm_fields=sys_id&sysparm_no_count=true"
            ))
            .column("sys_id");
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 57);
    assert!(seen.is_sorted());
}

#[test]
fn lists_of_keys_find_users_profiles_and_attachments() {
    let practice = Practice::with_pictures();
    let sys_ids = |target: &str| {
        practice
            .get(&format!("{target}&sysparm_fields=sys_id"))
            .column("sys_id")
    };
    assert_eq!(
        sys_ids(&format!(
            "/api/now/table/sys_user?sysparm_query=sys_idIN{U1},{A1}"
        )),
        [U1]
    );
    assert_eq!(
        sys_ids(&format!(
            "/api/now/table/live_profile?sysparm_query=documentIN{U1},{A1}^type=user"
        )),
        [P1]
    );
    assert_eq!(
        sys_ids(&format!(
            "/api/now/table/sys_attachment?sysparm_query=table_sys_idIN{U1},{P1}"
        )),
        [A1, A2]
    );
    assert_eq!(
        sys_ids(&format!(
            "/api/now/table/sys_attachment?sysparm_query=table_sys_idIN{U1},{P1}^table_name=ZZ_YYsys_user"
        )),
        [A2]
    );
}

#[test]
fn an_attachment_named_by_a_column_is_found_through_it() {
    let practice = Practice::with_pictures();
    practice.patch(
        &format!("/api/now/table/live_profile/{P1}"),
        &format!("{{\"photo\":\"{A1}\"}}"),
    );
    let named = practice.get(&format!(
        "/api/now/table/live_profile?sysparm_query=photoIN{A1},{A2}&sysparm_fields=sys_id"
    ));
    assert_eq!(named.column("sys_id"), [P1]);
    let walked = practice
        .get("/api/now/table/live_profile?sysparm_query=document.user_name=ada.okafor&sysparm_fields=sys_id");
    assert_eq!(walked.column("sys_id"), [P1]);
}

#[test]
fn hashes_and_sizes_can_be_queried() {
    let practice = Practice::with_pictures();
    let hash = crate::instance::sha256(b"on the user");
    let by_hash = practice.get(&format!(
        "/api/now/table/sys_attachment?sysparm_query=hash={hash}&sysparm_fields=sys_id"
    ));
    assert_eq!(by_hash.column("sys_id"), [A2]);
    let by_size =
        practice.get("/api/now/table/sys_attachment?sysparm_query=size_bytes>11&sysparm_fields=sys_id");
    assert_eq!(by_size.column("sys_id"), [A1]);
}
