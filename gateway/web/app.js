/** Starts the page. */

import { onLanguage } from "./i18n.js";
import { loadAll, route } from "./router.js";
import { startShell } from "./shell.js";

startShell();
onLanguage(() => route({ again: true, focus: false }));
route({ focus: false }).then(loadAll);
