// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"strings"
)

// addReport writes report.md: what the caller says, then what the bundle holds
// and what was redacted in it. It comes last, and counts what it lost itself.
func (b *builder) addReport() error {
	text := b.redactor.text(reportFile, b.opts.Report)
	var out strings.Builder
	out.Write(text)
	if len(text) > 0 && !strings.HasSuffix(string(text), "\n") {
		out.WriteString("\n")
	}
	b.section(&out)
	sum, err := b.stage.writeBytes(b.free(reportFile), []byte(out.String()))
	if err != nil {
		return err
	}
	b.list(reportFile, int64(out.Len()), sum, "report", b.captures)
	return nil
}

func (b *builder) section(out *strings.Builder) {
	out.WriteString("\n## Bundle\n\n| file | role | bytes | sha256 |\n|---|---|--:|---|\n")
	for _, f := range b.manifest.Files {
		fmt.Fprintf(out, "| %s | %s | %d | `%s` |\n", cell(f.Path), f.Role, f.Bytes, f.SHA256[:12])
	}
	out.WriteString("\nVerify with `sha256sum -c checksums.txt` or `layerscope bundle verify .`\n\n### Redacted\n\n")
	switch list := b.redactor.list(); {
	case b.redactor == nil:
		out.WriteString("Nothing: redaction was declined.\n")
	case len(list) == 0:
		out.WriteString("Nothing was found in text files that needed it.\n")
	default:
		out.WriteString("| file | kind | count |\n|---|---|--:|\n")
		for _, r := range list {
			fmt.Fprintf(out, "| %s | %s | %d |\n", cell(r.Path), r.Kind, r.Count)
		}
	}
	if b.redactor != nil && len(b.manifest.Verbatim) > 0 {
		out.WriteString("\nRaw captures and other files that are not plain text are as they were, byte for byte. They may hold names of hosts, users and paths:\n\n")
		for _, name := range b.manifest.Verbatim {
			fmt.Fprintf(out, "- %s\n", cell(name))
		}
	}
}

// cell makes a path text within a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "`", "\\`", "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}
