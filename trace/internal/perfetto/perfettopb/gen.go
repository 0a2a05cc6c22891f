// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Gen writes perfetto.pb.go: it parses perfetto.proto, as far as that file goes
// (messages of optional and repeated fields), and runs protoc-gen-go on it.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const path = "github.com/layerscope/layerscope/trace/internal/perfetto/perfettopb"

var (
	messageLine = regexp.MustCompile(`^message (\w+) \{$`)
	fieldLine   = regexp.MustCompile(`^(optional|repeated) (\w+) (\w+) = (\d+);$`)
	packageLine = regexp.MustCompile(`^package ([\w.]+);$`)
)

func main() {
	text, err := os.ReadFile("perfetto.proto")
	if err != nil {
		log.Fatal(err)
	}
	file := parse(string(text))
	req := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{file.GetName()},
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile:      []*descriptorpb.FileDescriptorProto{file},
	}
	in, err := proto.Marshal(req)
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("go", "run", "google.golang.org/protobuf/cmd/protoc-gen-go")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		log.Fatal(err)
	}
	var resp pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &resp); err != nil {
		log.Fatal(err)
	}
	if resp.Error != nil {
		log.Fatal(*resp.Error)
	}
	code := fmt.Sprintf("// SPDX-License-Identifier: Apache-2.0\n\n%s", resp.File[0].GetContent())
	if err := os.WriteFile("perfetto.pb.go", []byte(code), 0o644); err != nil {
		log.Fatal(err)
	}
}

func parse(text string) *descriptorpb.FileDescriptorProto {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("perfetto.proto"), Syntax: proto.String("proto2"),
		Options: &descriptorpb.FileOptions{GoPackage: proto.String(path + ";perfettopb")},
	}
	var m *descriptorpb.DescriptorProto
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "//"), strings.HasPrefix(line, "syntax"), line == "}":
		case packageLine.MatchString(line):
			file.Package = proto.String(packageLine.FindStringSubmatch(line)[1])
		case messageLine.MatchString(line):
			m = &descriptorpb.DescriptorProto{Name: proto.String(messageLine.FindStringSubmatch(line)[1])}
			file.MessageType = append(file.MessageType, m)
		case fieldLine.MatchString(line):
			m.Field = append(m.Field, field(file, fieldLine.FindStringSubmatch(line)))
		default:
			log.Fatalf("perfetto.proto:%d: %q is no line that is understood", n+1, line)
		}
	}
	return file
}

var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"int32":   descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"uint32":  descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	"int64":   descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"uint64":  descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	"fixed64": descriptorpb.FieldDescriptorProto_TYPE_FIXED64,
	"double":  descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	"bool":    descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"string":  descriptorpb.FieldDescriptorProto_TYPE_STRING,
	"bytes":   descriptorpb.FieldDescriptorProto_TYPE_BYTES,
}

func field(file *descriptorpb.FileDescriptorProto, part []string) *descriptorpb.FieldDescriptorProto {
	num, err := strconv.Atoi(part[4])
	if err != nil {
		log.Fatal(err)
	}
	f := &descriptorpb.FieldDescriptorProto{Name: proto.String(part[3]), Number: proto.Int32(int32(num)), JsonName: proto.String(part[3])}
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	if part[1] == "repeated" {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	if t, ok := scalars[part[2]]; ok {
		f.Type = t.Enum()
	} else {
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String("." + file.GetPackage() + "." + part[2])
	}
	return f
}
