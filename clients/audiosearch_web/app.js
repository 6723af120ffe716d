/** Starts the page. All modules are loaded before: later the server may be gone. */

import { useKeys } from "./core/api.js";
import { onLanguage } from "./core/i18n.js";
import * as library from "./library/page.js";
import * as map from "./map/page.js";
import { route, start } from "./core/router.js";
import { askKey, key } from "./parts/key.js";
import * as search from "./search/page.js";
import { startShell } from "./shell.js";
import * as speakers from "./speakers/page.js";
import * as status from "./status/page.js";

useKeys({ key, ask: askKey });
startShell();
onLanguage(() => route({ again: true, focus: false }));
start({ search, library, speakers, map, status });
