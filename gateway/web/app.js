/** Starts the page. All modules are loaded before: later the server may be gone. */

import { onLanguage } from "./i18n.js";
import * as library from "./library.js";
import * as map from "./map.js";
import { route, start } from "./router.js";
import * as search from "./search.js";
import { startShell } from "./shell.js";
import * as speakers from "./speakers.js";
import * as status from "./status.js";

startShell();
onLanguage(() => route({ again: true, focus: false }));
start({ search, library, speakers, map, status });
