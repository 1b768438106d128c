import { type Remedy, StorageError } from '../contract.ts';

/**
 * What to do about each error of MySQL and MariaDB, by number.
 * Source: the servers' error references, "Server Error Message Reference" (MySQL) and "Error Codes" (MariaDB).
 */
const remedies: readonly (readonly [Remedy, readonly number[]])[] = [
  // The connection, or the server's end of it.
  ['retry', [2002, 2003, 2005, 2006, 2012, 2013, 2026, 1040, 1042, 1043, 1053, 1077, 1078, 1079, 1080, 1081]],
  ['retry', [1129, 1135, 1152, 1156, 1157, 1158, 1159, 1160, 1161, 1203, 1226, 1317, 1835, 1927, 3169, 4031]],
  // Short of disk, memory, files or transactions.
  ['retry', [1016, 1021, 1024, 1026, 1030, 1037, 1038, 1041, 1105, 1114, 1637, 1815, 1874, 1878]],
  // Locks, deadlocks, time limits, a row or a table that changed meanwhile.
  ['retry', [1020, 1205, 1206, 1213, 1223, 1412, 1613, 1614, 1969, 3024, 3168, 3572]],
  // A cluster whose node is not ready, or whose other nodes changed the same rows. 1047: Galera's node is not prepared.
  ['retry', [1047, 1180, 3032, 3098, 3100, 3101]],
  // Read-only for a while: a failover.
  ['retry', [1290, 1792, 1836]],
  // Accounts and privileges.
  [
    'pause',
    [1044, 1045, 1130, 1142, 1143, 1227, 1251, 1370, 1449, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4151],
  ],
  // Tables and columns that are not as this version needs them. 1364: a column that it does not know, without a
  // default; no row can be the reason.
  ['pause', [1049, 1050, 1054, 1060, 1061, 1064, 1136, 1146, 1286, 1288, 1305, 1356, 1364, 3780]],
  // Tables that are damaged, or locked away with their key.
  ['pause', [1034, 1035, 1194, 1195, 1814, 1877, 1932, 3185]],
  ['split', [1153, 1197, 1301, 1390]],
  [
    'refuse',
    [
      1048, 1062, 1216, 1264, 1265, 1292, 1300, 1366, 1367, 1406, 1411, 1441, 1452, 1690, 3819, 3854, 3988,
      4025,
    ],
  ],
  // JSON values.
  ['refuse', Array.from({ length: 18 }, (_, index) => 3140 + index)],
];

const remedyOfNumber = new Map(
  remedies.flatMap(([remedy, numbers]) => numbers.map((number) => [number, remedy])),
);

/** Errors of MariaDB's own, which the driver does not know, or knows by the name of another error of MySQL's. */
const mariadbCodes: ReadonlyMap<number, string> = new Map([
  [1969, 'ER_STATEMENT_TIMEOUT'],
  [4025, 'ER_CONSTRAINT_FAILED'],
]);

/** Failures of the driver and of the network, which have no number. */
const outages =
  /^(PROTOCOL_|POOL_|E(CONNREFUSED|CONNRESET|CONNABORTED|TIMEDOUT|PIPE|HOSTUNREACH|NETUNREACH|HOSTDOWN|NOTFOUND|AI_AGAIN)$|HANDSHAKE_|ERR_SOCKET|ERR_STREAM|ConnectionRefused$)/;

/** Turns whatever the driver throws into a `StorageError`. */
export function mysqlError(thrown: unknown): StorageError {
  if (thrown instanceof StorageError) return thrown;
  const error = innermost(thrown);
  const code = mariadbCodes.get(error.errno ?? 0) ?? driverCodeOf(error);
  const remedy =
    remedyOfNumber.get(error.errno ?? 0) ??
    (outages.test(code) || error.fatal === true ? 'retry' : 'unknown');
  return new StorageError(remedy, code, error.message ?? code, thrown);
}

function driverCodeOf({ code }: DriverError): string {
  return typeof code === 'string' ? code : 'UNKNOWN';
}

/** The server is read-only for a while: after a failover the connection still leads to the old one. */
const readOnly: ReadonlySet<number> = new Set([1290, 1792, 1836]);

/**
 * True when the connection cannot be used again, or would give the same error for ever: it leads to the wrong server,
 * or it has the privileges that its user had when it was made.
 */
export function isConnectionLost(thrown: unknown): boolean {
  if (thrown instanceof StorageError) return false;
  const { errno, fatal, code } = innermost(thrown);
  if (errno === undefined || fatal === true || outages.test(String(code))) return true;
  return readOnly.has(errno) || remedyOfNumber.get(errno) === 'pause';
}

interface DriverError {
  code?: unknown;
  errno?: number;
  fatal?: boolean;
  message?: string;
}

/** The driver's own error: Drizzle wraps it. */
function innermost(thrown: unknown): DriverError {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error && !('errno' in error)) error = error.cause;
  return error instanceof Error ? error : { message: String(thrown) };
}
