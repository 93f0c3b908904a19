#!/usr/bin/env bash
# curl: token, users, photo; table and attachment of the instance. Over plain HTTP, as the sandbox listens.
set -uo pipefail
failures=0
field() { python3 -c 'import json,os,sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[int(key) if isinstance(value, list) else key]
print(value)' "$@"; }
of() { field "$1" <<<"$SANDBOX"; }
check() {
  local what=$1; shift
  if "$@"; then echo "ok      curl: $what"; else echo "FAILED  curl: $what"; failures=1; fi
}
entra=$(of entra_url) instance=$(of servicenow_url)
account="$(of servicenow_username):$(of servicenow_password)"
folder=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/curl.XXXXXX")
trap 'rm -rf "$folder"' EXIT
get() { curl --fail --silent --show-error --max-time 30 "$@"; }

token() {
  token=$(get --data-urlencode grant_type=client_credentials --data-urlencode "client_id=$(of client_id)" \
    --data-urlencode "client_secret=$(of client_secret)" --data-urlencode scope=https://graph.microsoft.com/.default \
    "$entra/$(of tenant_id)/oauth2/v2.0/token" | field access_token) && [[ $token == *.*.* ]]
}
users() {
  get -H "Authorization: Bearer $token" "$entra/v1.0/users?\$select=id&\$top=20" >"$folder/users" &&
    user=$(field value 0 id <"$folder/users") && [[ ${#user} == 36 ]]
}
photo() {
  local place status
  for place in {0..19}; do
    status=$(curl --silent --max-time 30 -o "$folder/photo" -w '%{http_code}' -H "Authorization: Bearer $token" \
      "$entra/v1.0/users/$(field value "$place" id <"$folder/users")/photo/\$value")
    [[ $status == 200 ]] && break
    [[ $status == 404 ]] || return 1
  done
  [[ $status == 200 && $(head -c 2 "$folder/photo" | od -An -tx1 | tr -d ' ') == ffd8 ]]
}
table() {
  person=$(get --user "$account" --get --data-urlencode 'sysparm_query=active=true^ORDERBYname' -d sysparm_limit=1 \
    "$instance/api/now/table/sys_user" | field result 0 sys_id) && [[ ${#person} == 32 ]]
}
update() {
  [[ $(get --user "$account" -X PATCH -H 'Content-Type: application/json' -d '{"title":"curl"}' \
    "$instance/api/now/table/sys_user/$person" | field result title) == curl ]]
}
attachment() {
  local key
  key=$(get --user "$account" -H 'Content-Type: image/jpeg' --data-binary "@$folder/photo" \
    "$instance/api/now/attachment/file?table_name=sys_user&table_sys_id=$person&file_name=photo.jpg" | field result sys_id) &&
    get --user "$account" "$instance/api/now/attachment/$key/file" | cmp - "$folder/photo" &&
    get --user "$account" -X DELETE "$instance/api/now/attachment/$key"
}
multipart() {
  local key
  key=$(get --user "$account" -F table_name=sys_user -F "table_sys_id=$person" \
    -F "uploadFile=@$folder/photo;type=image/jpeg;filename=form.jpg" "$instance/api/now/attachment/upload" |
    field result sys_id) &&
    get --user "$account" "$instance/api/now/attachment/$key/file" | cmp - "$folder/photo" &&
    get --user "$account" -X DELETE "$instance/api/now/attachment/$key"
}
check 'token for client credentials' token
check 'users' users
check 'photo bytes' photo
check 'table with a query' table
check 'update of a record' update
check 'attachment: upload, download, delete' attachment
check 'attachment: upload as a form, download, delete' multipart
exit "$failures"
