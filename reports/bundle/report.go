// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// addReport writes report.md: what the caller says, and what the bundle holds
// and what was redacted in it. It comes last, and counts what it lost itself.
func (b *builder) addReport() error {
	text := b.redactor.text(reportFile, b.opts.Report)
	before, after, found := bytes.Cut(text, []byte("\n"+ArtifactsHere+"\n"))
	var out strings.Builder
	out.Write(before)
	if found {
		out.WriteString("\n")
	}
	if !found && len(before) > 0 {
		out.WriteString(strings.Repeat("\n", max(1, 2-len(before)+len(bytes.TrimRight(before, "\n")))))
	}
	b.section(&out)
	if found {
		out.WriteString("\n")
		out.Write(bytes.TrimLeft(after, "\n"))
	}
	sum, err := b.stage.writeBytes(b.free(reportFile), []byte(out.String()))
	if err != nil {
		return err
	}
	b.list(reportFile, int64(out.Len()), sum, "report", b.captures)
	return nil
}

func (b *builder) section(out *strings.Builder) {
	out.WriteString("## Artifacts and checksums\n\n| file | role | bytes | sha256 |\n|:---|:---|---:|:---|\n")
	for _, f := range b.manifest.Files {
		fmt.Fprintf(out, "| %s | %s | %d | `%s` |\n", texttab.CodeSpan(f.Path), f.Role, f.Bytes, f.SHA256[:12])
	}
	out.WriteString("\nHashes are cut here; checksums.txt has them whole, and this file's too. Verify with `sha256sum -c checksums.txt` or `layerscope bundle verify .`\n\n")
	b.backup(out)
	out.WriteString("\n## Redacted\n\n")
	switch list := append(b.redactor.list(), b.manifest.Redacted...); {
	case b.redactor == nil && len(list) == 0:
		out.WriteString("Nothing: redaction was declined.\n")
	case len(list) == 0:
		out.WriteString("Nothing was found in text files that needed it.\n")
	default:
		out.WriteString("| file | kind | count |\n|:---|:---|---:|\n")
		for _, r := range list {
			fmt.Fprintf(out, "| %s | %s | %d |\n", texttab.CodeSpan(r.Path), r.Kind, r.Count)
		}
	}
	b.rawSection(out)
}

// rawSection says what may still be in captures.
func (b *builder) rawSection(out *strings.Builder) {
	for _, f := range b.manifest.Files {
		if f.Original != "" {
			fmt.Fprintf(out, "\nIn the copy of %s, values were overwritten by as many other bytes; the SHA-256 of the original is `%s`.\n", texttab.CodeSpan(f.Path), f.Original)
		}
	}
	if len(b.manifest.Secrets) > 0 {
		out.WriteString("\n**These captures hold what looks like tokens, and are as they were, as was asked: revoke the tokens, or don't share the bundle.**\n\n| file | kind | count | offset of the first |\n|:---|:---|---:|---:|\n")
		for _, s := range b.manifest.Secrets {
			fmt.Fprintf(out, "| %s | %s | %d | %d |\n", texttab.CodeSpan(s.Path), s.Kind, s.Count, s.Offset)
		}
	}
	list := func(text string, names []string) {
		if len(names) == 0 {
			return
		}
		out.WriteString("\n" + text + "\n\n")
		for _, name := range names {
			fmt.Fprintf(out, "- %s\n", texttab.CodeSpan(name))
		}
	}
	if b.redactor != nil {
		list("Raw captures and other files that are not plain text are as they were, byte for byte. They were looked through for tokens, but may hold names of hosts, users and paths:", b.manifest.Verbatim)
	}
	list("These could not be expanded whole, and so not looked through whole:", b.manifest.Unscanned)
}

// backup says what must not be lost, and what each retention set would keep.
func (b *builder) backup(out *strings.Builder) {
	out.WriteString("## Backup\n\n")
	if b.opts.Backup == "" {
		out.WriteString("No copy was made when this was written. `layerscope push` makes one; what a bundle says doesn't change afterwards.\n")
	} else {
		fmt.Fprintf(out, "A copy was to go to %s when this was written.\n", texttab.CodeSpan(string(b.redactor.text(reportFile, []byte(b.opts.Backup)))))
	}
	sole := SoleCaptures(b.manifest.paths(), func(string) bool { return false })
	switch {
	case len(sole) == 0:
		out.WriteString("\nThe bundle holds no raw capture, so nothing in it can be analysed anew.\n")
		return
	default:
		out.WriteString("\nEverything else can be computed from the complete raw captures, and these from nothing:\n\n")
		for _, name := range sole {
			fmt.Fprintf(out, "- %s\n", texttab.CodeSpan(name))
		}
	}
	out.WriteString("\n| set | keeps, files | bytes | leaves out, files | bytes | complete raw captures |\n|:---|---:|---:|---:|---:|:---|\n")
	complete := b.manifest.complete()
	for _, s := range retentionSets {
		var n, size, m, rest int64
		for i := range b.manifest.Files {
			if f := &b.manifest.Files[i]; s.keep(complete, f) {
				n, size = n+1, size+f.Bytes
			} else {
				m, rest = m+1, rest+f.Bytes
			}
		}
		kept := "kept"
		if len(b.manifest.lost(s)) > 0 {
			kept = "LOST"
		}
		fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %s |\n", s.name, n, size, m, rest, kept)
	}
}
