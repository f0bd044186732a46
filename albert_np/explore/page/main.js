// The page of one pass: read what it carries, and show it.

import { boot } from "./app.js";

boot(document);
