# Inserts the account and the client of the trial. The server's image runs it once, after the schema.
# The password is encrypted as the platform does it: AES-256-CBC, the key is the start of base64(SHA-256(ENCRYPTION_SECRET)).
if [ -n "$TRIAL_REALM" ] && [ -n "$TRIAL_USER" ] && [ -n "$TRIAL_PASSWORD" ]; then
  quoted() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed "s/.*/CONVERT(X'&' USING utf8mb4)/"; }
  MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql --user=root ${MYSQL_SOCKET:+--socket="$MYSQL_SOCKET"} "$MYSQL_DATABASE" <<SQL
SET @account = UUID(), @iv = RANDOM_BYTES(16), block_encryption_mode = 'aes-256-cbc';
SET @key = LEFT(TO_BASE64(UNHEX(SHA2($(quoted "$ENCRYPTION_SECRET"), 256))), 32);
INSERT INTO accounts (account_sid, name, sip_realm) VALUES (@account, 'trial', $(quoted "$TRIAL_REALM"));
INSERT INTO clients (client_sid, account_sid, username, password) VALUES (UUID(), @account, $(quoted "$TRIAL_USER"),
  CONCAT('{"iv":"', LOWER(HEX(@iv)), '","content":"',
    LOWER(HEX(AES_ENCRYPT($(quoted "$TRIAL_PASSWORD"), @key, @iv))), '"}'));
SQL
fi
