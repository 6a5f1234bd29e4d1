#!/bin/sh
# The official image's contract, as far as compose.yaml and tests use it: MARIADB_ROOT_PASSWORD, MARIADB_ROOT_HOST;
# `mariadbd OPTIONS` as command.
set -eu
data=/var/lib/mysql
[ "${1:-mariadbd}" = mariadbd ] || exec "$@"
[ $# -eq 0 ] || shift
umask 077

: "${MARIADB_ROOT_PASSWORD:?must be set to the password of root}"
host=${MARIADB_ROOT_HOST:-%}
case "$MARIADB_ROOT_PASSWORD$host" in
    *[\'\\]*) echo "MARIADB_ROOT_PASSWORD and MARIADB_ROOT_HOST may have neither ' nor \\" >&2; exit 1 ;;
esac
if [ ! -d "$data/mysql" ]; then
    mariadbd --no-defaults "--datadir=$data" --bootstrap < /usr/share/mariadb/system_tables.sql
fi
cat > /tmp/accounts.sql <<END
CREATE OR REPLACE USER root@'$host' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'$host' WITH GRANT OPTION;
END
unset MARIADB_ROOT_PASSWORD
exec mariadbd --no-defaults "--datadir=$data" --socket= --bind-address=0.0.0.0 --init-file=/tmp/accounts.sql "$@"
