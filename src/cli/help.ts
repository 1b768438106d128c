import { serviceVersion } from '../platform/version.ts';

export const helpText = `Persistence Service ${serviceVersion}
Keeps the sessions and tasks of a translation platform: durable when accepted, written to storage in bulk.

Usage: persistence-service [command] [options]

Commands:
  serve      Serve the API (the default)
  migrate    Create or update the tables of the configured storage, then exit
  journal inspect    List what is in the journal of the data folder
  journal verify     Read the whole journal and say what is damaged
  journal repair     Mend the journal as a start does, while the service is stopped

Options:
  --config FILE        Configuration file (YAML); also CONFIG_FILE
  --host ADDRESS       Address to listen on (127.0.0.1); also HOST
  --port PORT          Port to listen on (8001); also PORT
  --data-dir FOLDER    Journal, quarantine and embedded database (./data); also DATA_DIR
  --database-url URL   mysql://user:password@host:3306/database or sqlite:path; also DATABASE_URL
  --log-level LEVEL    debug, info, warn or error (info); also LOG_LEVEL
  -h, --help           Show this text
  -v, --version        Show the version

Options of journal:
  --quarantine         The journal of the quarantine instead
  --frames             inspect: each frame as well
  --json               inspect, verify: JSON, one object a line
  --dry-run            repair: say what would be done, and do nothing

Every key of the configuration file but storage.backends is also an environment variable, SECTION_KEY:
BUFFER_FLUSH_INTERVAL=10.
An option wins over the environment, the environment over the file, the file over the default.

Exit codes: 0 stopped as asked, or the journal is sound; 1 could not start, did not stop cleanly, or could not be done;
2 wrong usage or configuration; 3 the journal is damaged (verify), or some damage is left (repair); 130 or 143 stopped
at once by a second signal.
`;
