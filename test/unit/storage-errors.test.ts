import { expect, test } from 'bun:test';
import { isConnectionLost, mysqlError } from '../../src/storage/mysql/errors.ts';
import { sqliteError } from '../../src/storage/sqlite/errors.ts';

/** Every error of the servers that is known, by what there is to do about it. */
const mysql = {
  retry: [
    [2002, 'CR_CONNECTION_ERROR'],
    [2003, 'CR_CONN_HOST_ERROR'],
    [2005, 'CR_UNKNOWN_HOST'],
    [2006, 'CR_SERVER_GONE_ERROR'],
    [2012, 'CR_SERVER_HANDSHAKE_ERR'],
    [2013, 'CR_SERVER_LOST'],
    [2026, 'CR_SSL_CONNECTION_ERROR'],
    [1040, 'ER_CON_COUNT_ERROR'],
    [1042, 'ER_BAD_HOST_ERROR'],
    [1043, 'ER_HANDSHAKE_ERROR'],
    [1053, 'ER_SERVER_SHUTDOWN'],
    [1077, 'ER_NORMAL_SHUTDOWN'],
    [1078, 'ER_GOT_SIGNAL'],
    [1079, 'ER_SHUTDOWN_COMPLETE'],
    [1080, 'ER_FORCING_CLOSE'],
    [1081, 'ER_IPSOCK_ERROR'],
    [1129, 'ER_HOST_IS_BLOCKED'],
    [1135, 'ER_CANT_CREATE_THREAD'],
    [1152, 'ER_ABORTING_CONNECTION'],
    [1156, 'ER_NET_PACKETS_OUT_OF_ORDER'],
    [1157, 'ER_NET_UNCOMPRESS_ERROR'],
    [1158, 'ER_NET_READ_ERROR'],
    [1159, 'ER_NET_READ_INTERRUPTED'],
    [1160, 'ER_NET_ERROR_ON_WRITE'],
    [1161, 'ER_NET_WRITE_INTERRUPTED'],
    [1203, 'ER_TOO_MANY_USER_CONNECTIONS'],
    [1226, 'ER_USER_LIMIT_REACHED'],
    [1317, 'ER_QUERY_INTERRUPTED'],
    [1835, 'ER_MALFORMED_PACKET'],
    [1927, 'ER_CONNECTION_KILLED'],
    [3169, 'ER_SESSION_WAS_KILLED'],
    [4031, 'ER_CLIENT_INTERACTION_TIMEOUT'],
    [1016, 'ER_CANT_OPEN_FILE'],
    [1021, 'ER_DISK_FULL'],
    [1024, 'ER_ERROR_ON_READ'],
    [1026, 'ER_ERROR_ON_WRITE'],
    [1030, 'ER_GET_ERRNO'],
    [1037, 'ER_OUTOFMEMORY'],
    [1038, 'ER_OUT_OF_SORTMEMORY'],
    [1041, 'ER_OUT_OF_RESOURCES'],
    [1105, 'ER_UNKNOWN_ERROR'],
    [1114, 'ER_RECORD_FILE_FULL'],
    [1637, 'ER_TOO_MANY_CONCURRENT_TRXS'],
    [1815, 'ER_INTERNAL_ERROR'],
    [1874, 'ER_INNODB_READ_ONLY'],
    [1878, 'ER_TEMP_FILE_WRITE_FAILURE'],
    [1020, 'ER_CHECKREAD'],
    [1205, 'ER_LOCK_WAIT_TIMEOUT'],
    [1206, 'ER_LOCK_TABLE_FULL'],
    [1213, 'ER_LOCK_DEADLOCK'],
    [1223, 'ER_CANT_UPDATE_WITH_READLOCK'],
    [1412, 'ER_TABLE_DEF_CHANGED'],
    [1613, 'ER_XA_RBTIMEOUT'],
    [1614, 'ER_XA_RBDEADLOCK'],
    [1969, 'ER_STATEMENT_TIMEOUT'],
    [3024, 'ER_QUERY_TIMEOUT'],
    [3168, 'ER_SERVER_ISNT_AVAILABLE'],
    [3572, 'ER_LOCK_NOWAIT'],
    [1047, 'ER_UNKNOWN_COM_ERROR'],
    [1180, 'ER_ERROR_DURING_COMMIT'],
    [3032, 'ER_SERVER_OFFLINE_MODE'],
    [3098, 'ER_BEFORE_DML_VALIDATION_ERROR'],
    [3100, 'ER_RUN_HOOK_ERROR'],
    [3101, 'ER_TRANSACTION_ROLLBACK_DURING_COMMIT'],
    [1290, 'ER_OPTION_PREVENTS_STATEMENT'],
    [1792, 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION'],
    [1836, 'ER_READ_ONLY_MODE'],
  ],
  pause: [
    [1044, 'ER_DBACCESS_DENIED_ERROR'],
    [1045, 'ER_ACCESS_DENIED_ERROR'],
    [1130, 'ER_HOST_NOT_PRIVILEGED'],
    [1142, 'ER_TABLEACCESS_DENIED_ERROR'],
    [1143, 'ER_COLUMNACCESS_DENIED_ERROR'],
    [1227, 'ER_SPECIFIC_ACCESS_DENIED_ERROR'],
    [1251, 'ER_NOT_SUPPORTED_AUTH_MODE'],
    [1370, 'ER_PROCACCESS_DENIED_ERROR'],
    [1449, 'ER_NO_SUCH_USER'],
    [1524, 'ER_PLUGIN_IS_NOT_LOADED'],
    [1698, 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR'],
    [1820, 'ER_MUST_CHANGE_PASSWORD'],
    [1862, 'ER_MUST_CHANGE_PASSWORD_LOGIN'],
    [3118, 'ER_ACCOUNT_HAS_BEEN_LOCKED'],
    [3159, 'ER_SECURE_TRANSPORT_REQUIRED'],
    [3955, 'ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK'],
    [4151, 'ER_ACCOUNT_HAS_BEEN_LOCKED'],
    [1049, 'ER_BAD_DB_ERROR'],
    [1050, 'ER_TABLE_EXISTS_ERROR'],
    [1054, 'ER_BAD_FIELD_ERROR'],
    [1060, 'ER_DUP_FIELDNAME'],
    [1061, 'ER_DUP_KEYNAME'],
    [1064, 'ER_PARSE_ERROR'],
    [1136, 'ER_WRONG_VALUE_COUNT_ON_ROW'],
    [1146, 'ER_NO_SUCH_TABLE'],
    [1286, 'ER_UNKNOWN_STORAGE_ENGINE'],
    [1288, 'ER_NON_UPDATABLE_TABLE'],
    [1305, 'ER_SP_DOES_NOT_EXIST'],
    [1356, 'ER_VIEW_INVALID'],
    [1364, 'ER_NO_DEFAULT_FOR_FIELD'],
    [3780, 'ER_FK_INCOMPATIBLE_COLUMNS'],
    [1034, 'ER_NOT_KEYFILE'],
    [1035, 'ER_OLD_KEYFILE'],
    [1194, 'ER_CRASHED_ON_USAGE'],
    [1195, 'ER_CRASHED_ON_REPAIR'],
    [1814, 'ER_TABLESPACE_DISCARDED'],
    [1877, 'ER_TABLE_CORRUPT'],
    [1932, 'ER_NO_SUCH_TABLE_IN_ENGINE'],
    [3185, 'ER_CANNOT_FIND_KEY_IN_KEYRING'],
  ],
  split: [
    [1153, 'ER_NET_PACKET_TOO_LARGE'],
    [1197, 'ER_TRANS_CACHE_FULL'],
    [1301, 'ER_WARN_ALLOWED_PACKET_OVERFLOWED'],
    [1390, 'ER_PS_MANY_PARAM'],
  ],
  refuse: [
    [1048, 'ER_BAD_NULL_ERROR'],
    [1062, 'ER_DUP_ENTRY'],
    [1216, 'ER_NO_REFERENCED_ROW'],
    [1264, 'ER_WARN_DATA_OUT_OF_RANGE'],
    [1265, 'WARN_DATA_TRUNCATED'],
    [1292, 'ER_TRUNCATED_WRONG_VALUE'],
    [1300, 'ER_INVALID_CHARACTER_STRING'],
    [1366, 'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD'],
    [1367, 'ER_ILLEGAL_VALUE_FOR_TYPE'],
    [1406, 'ER_DATA_TOO_LONG'],
    [1411, 'ER_WRONG_VALUE_FOR_TYPE'],
    [1441, 'ER_DATETIME_FUNCTION_OVERFLOW'],
    [1452, 'ER_NO_REFERENCED_ROW_2'],
    [1690, 'ER_DATA_OUT_OF_RANGE'],
    [3819, 'ER_CHECK_CONSTRAINT_VIOLATED'],
    [3854, 'ER_CANNOT_CONVERT_STRING'],
    [3988, 'ER_IMPOSSIBLE_STRING_CONVERSION'],
    [4025, 'ER_CONSTRAINT_FAILED'],
    [3140, 'ER_INVALID_JSON_TEXT'],
    [3141, 'ER_INVALID_JSON_TEXT_IN_PARAM'],
    [3144, 'ER_INVALID_JSON_CHARSET'],
    [3157, 'ER_JSON_DOCUMENT_TOO_DEEP'],
  ],
} as const;

const sqlite = {
  retry: [
    'SQLITE_BUSY',
    'SQLITE_BUSY_SNAPSHOT',
    'SQLITE_BUSY_RECOVERY',
    'SQLITE_LOCKED',
    'SQLITE_FULL',
    'SQLITE_IOERR_WRITE',
    'SQLITE_IOERR_FSYNC',
    'SQLITE_NOMEM',
    'SQLITE_CANTOPEN',
    'SQLITE_READONLY',
    'SQLITE_READONLY_DBMOVED',
    'SQLITE_PROTOCOL',
    'SQLITE_INTERRUPT',
    'SQLITE_ABORT_ROLLBACK',
    'SQLITE_NOLFS',
    'SQLITE_ERROR_RETRY',
    'SQLITE_ERROR_SNAPSHOT',
  ],
  pause: [
    'SQLITE_CORRUPT',
    'SQLITE_CORRUPT_INDEX',
    'SQLITE_NOTADB',
    'SQLITE_FORMAT',
    'SQLITE_PERM',
    'SQLITE_AUTH',
    'SQLITE_SCHEMA',
    'SQLITE_ERROR',
  ],
  refuse: [
    'SQLITE_CONSTRAINT_FOREIGNKEY',
    'SQLITE_CONSTRAINT_NOTNULL',
    'SQLITE_CONSTRAINT_CHECK',
    'SQLITE_MISMATCH',
    'SQLITE_TOOBIG',
  ],
  unknown: ['SQLITE_INTERNAL', 'SQLITE_MISUSE', 'UNKNOWN'],
} as const;

const serverError = (errno: number, code: string): Error => Object.assign(new Error(code), { errno, code });

for (const [remedy, errors] of Object.entries(mysql)) {
  test(`errors of MySQL and MariaDB whose remedy is ${remedy}`, () => {
    for (const [number, name] of errors) {
      const error = mysqlError(serverError(number, name));
      expect([name, error.remedy, error.code]).toEqual([name, remedy as typeof error.remedy, name]);
    }
  });
}

test('failures of the network and of the driver are outages', () => {
  const codes = [
    'ECONNREFUSED',
    'ECONNRESET',
    'ETIMEDOUT',
    'EPIPE',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'PROTOCOL_CONNECTION_LOST',
    'PROTOCOL_SEQUENCE_TIMEOUT',
    'POOL_CLOSED',
    'HANDSHAKE_SSL_ERROR',
  ];
  for (const code of codes) {
    expect([code, mysqlError(Object.assign(new Error(code), { code })).remedy]).toEqual([code, 'retry']);
  }
});

test("an error of MySQL that nobody knows is unknown, and the driver's own error is found in what wraps it", () => {
  expect(mysqlError(serverError(29_999, 'ER_NEWER_THAN_THIS')).remedy).toBe('unknown');
  const wrapped = new Error('Failed query', { cause: serverError(1213, 'ER_LOCK_DEADLOCK') });
  expect(mysqlError(wrapped)).toMatchObject({ remedy: 'retry', code: 'ER_LOCK_DEADLOCK' });
});

test('a connection is given up when it would give the same error for ever', () => {
  const lost = [
    [1290, 'ER_OPTION_PREVENTS_STATEMENT'],
    [1836, 'ER_READ_ONLY_MODE'],
    [1142, 'ER_TABLEACCESS_DENIED_ERROR'],
    [1044, 'ER_DBACCESS_DENIED_ERROR'],
  ] as const;
  for (const [number, name] of lost)
    expect([name, isConnectionLost(serverError(number, name))]).toEqual([name, true]);
  const kept = [
    [1213, 'ER_LOCK_DEADLOCK'],
    [1205, 'ER_LOCK_WAIT_TIMEOUT'],
    [1406, 'ER_DATA_TOO_LONG'],
  ] as const;
  for (const [number, name] of kept)
    expect([name, isConnectionLost(serverError(number, name))]).toEqual([name, false]);
});

for (const [remedy, codes] of Object.entries(sqlite)) {
  test(`errors of SQLite whose remedy is ${remedy}`, () => {
    for (const code of codes) {
      const error = sqliteError(Object.assign(new Error(code), { code }));
      expect([code, error.remedy, error.code]).toEqual([code, remedy as typeof error.remedy, code]);
    }
  });
}
