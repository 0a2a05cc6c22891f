// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Gen writes xspace.pb.go: it describes the messages of an XSpace and runs
// protoc-gen-go on the description.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	pkg  = "layerscope.test.xspace"
	path = "github.com/layerscope/layerscope/trace/internal/xspace/xspacepb"
)

type field struct {
	num  int32
	name string
	typ  string // a scalar, or the name of a message
	list bool
	one  bool // member of the oneof
}

func main() {
	file := &descriptorpb.FileDescriptorProto{
		Name:    proto.String("xspace.proto"),
		Package: proto.String(pkg),
		Syntax:  proto.String("proto3"),
		Options: &descriptorpb.FileOptions{GoPackage: proto.String(path + ";xspacepb")},
		MessageType: []*descriptorpb.DescriptorProto{
			message("XSpace", "", field{1, "planes", "XPlane", true, false}, field{2, "errors", "string", true, false},
				field{3, "warnings", "string", true, false}, field{4, "hostnames", "string", true, false}),
			plane(),
			message("XLine", "", field{1, "id", "int64", false, false}, field{10, "display_id", "int64", false, false},
				field{2, "name", "string", false, false}, field{11, "display_name", "string", false, false},
				field{3, "timestamp_ns", "int64", false, false}, field{9, "duration_ps", "int64", false, false},
				field{4, "events", "XEvent", true, false}),
			message("XEvent", "data", field{1, "metadata_id", "int64", false, false}, field{2, "offset_ps", "int64", false, true},
				field{5, "num_occurrences", "int64", false, true}, field{3, "duration_ps", "int64", false, false},
				field{4, "stats", "XStat", true, false}),
			message("XStat", "value", field{1, "metadata_id", "int64", false, false}, field{2, "double_value", "double", false, true},
				field{3, "uint64_value", "uint64", false, true}, field{4, "int64_value", "int64", false, true},
				field{5, "str_value", "string", false, true}, field{6, "bytes_value", "bytes", false, true},
				field{7, "ref_value", "uint64", false, true}),
			message("XEventMetadata", "", field{1, "id", "int64", false, false}, field{2, "name", "string", false, false},
				field{4, "display_name", "string", false, false}, field{3, "metadata", "bytes", false, false},
				field{5, "stats", "XStat", true, false}, field{6, "child_id", "int64", true, false}),
			message("XStatMetadata", "", field{1, "id", "int64", false, false}, field{2, "name", "string", false, false},
				field{3, "description", "string", false, false}),
		},
	}
	req := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"xspace.proto"},
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
	text := fmt.Sprintf("// SPDX-License-Identifier: Apache-2.0\n\n%s", resp.File[0].GetContent())
	if err := os.WriteFile("xspace.pb.go", []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}

// plane describes XPlane, whose two maps are repeated entry messages.
func plane() *descriptorpb.DescriptorProto {
	m := message("XPlane", "", field{1, "id", "int64", false, false}, field{2, "name", "string", false, false},
		field{3, "lines", "XLine", true, false}, field{4, "event_metadata", "XPlane.EventMetadataEntry", true, false},
		field{5, "stat_metadata", "XPlane.StatMetadataEntry", true, false}, field{6, "stats", "XStat", true, false})
	for _, e := range [][2]string{{"EventMetadataEntry", "XEventMetadata"}, {"StatMetadataEntry", "XStatMetadata"}} {
		entry := message(e[0], "", field{1, "key", "int64", false, false}, field{2, "value", e[1], false, false})
		entry.Options = &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}
		m.NestedType = append(m.NestedType, entry)
	}
	return m
}

func message(name, oneof string, fields ...field) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
	if oneof != "" {
		m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String(oneof)}}
	}
	scalars := map[string]descriptorpb.FieldDescriptorProto_Type{
		"int64":  descriptorpb.FieldDescriptorProto_TYPE_INT64,
		"uint64": descriptorpb.FieldDescriptorProto_TYPE_UINT64,
		"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING,
		"bytes":  descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	}
	for _, f := range fields {
		fd := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(f.name), Number: proto.Int32(f.num),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if f.list {
			fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if f.one {
			fd.OneofIndex = proto.Int32(0)
		}
		if typ, ok := scalars[f.typ]; ok {
			fd.Type = typ.Enum()
		} else {
			fd.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			fd.TypeName = proto.String("." + pkg + "." + f.typ)
		}
		m.Field = append(m.Field, fd)
	}
	return m
}
