// Holds messages in the format `ecs`, one a line, against Elastic's own types of the schema, by the TypeScript compiler, to which
// a field that the schema does not have is an error.
// usage: node ecs.mjs FILE

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const lines = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean);
// Beside the packages, where the compiler finds them.
const file = join(dirname(fileURLToPath(import.meta.url)), "node_modules", `ecs-check-${process.pid}.ts`);
writeFileSync(file, `import type { Ecs } from "@elastic/ecs";\nexport const all: Ecs[] = [\n${lines.join(",\n")}\n];\n`);
try {
    const program = ts.createProgram([file], {
        noEmit: true,
        strict: true,
        skipLibCheck: true,
        target: ts.ScriptTarget.ES2022,
        moduleResolution: ts.ModuleResolutionKind.Node10,
    });
    const faults = ts.getPreEmitDiagnostics(program).map((fault) => ts.flattenDiagnosticMessageText(fault.messageText, " "));
    if (faults.length > 0) {
        console.error(faults.slice(0, 10).join("\n").slice(0, 4000));
        process.exitCode = 1;
    } else {
        console.log(`ecs: ${lines.length} messages fit`);
    }
} finally {
    rmSync(file);
}
