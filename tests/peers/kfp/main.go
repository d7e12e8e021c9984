// What the API server of Kubeflow Pipelines makes of a package: it is read into the
// messages of pipeline_spec.proto and written anew, kept as YAML, and told as JSON.
// Usage: kfp DESCRIPTORS <pipeline.yaml >as_served.json
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	yamlv3 "gopkg.in/yaml.v3"
	"sigs.k8s.io/yaml"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// served takes one document through the server's hands.
func served(document map[string]any, kind protoreflect.MessageDescriptor) json.RawMessage {
	message := dynamicpb.NewMessage(kind)
	if err := protojson.Unmarshal(must(json.Marshal(document)), message); err != nil {
		log.Fatal(err)
	}
	kept := must(yaml.JSONToYAML(must(protojson.Marshal(message))))
	told := &structpb.Struct{}
	if err := protojson.Unmarshal(must(yaml.YAMLToJSON(kept)), told); err != nil {
		log.Fatal(err)
	}
	return must(protojson.Marshal(told))
}

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(must(os.ReadFile(os.Args[1])), set); err != nil {
		log.Fatal(err)
	}
	files := must(protodesc.NewFiles(set))
	kind := func(name string) protoreflect.MessageDescriptor {
		found := must(files.FindDescriptorByName(protoreflect.FullName("ml_pipelines." + name)))
		return found.(protoreflect.MessageDescriptor)
	}
	decoder := yamlv3.NewDecoder(bytes.NewReader(must(io.ReadAll(os.Stdin))))
	answer := map[string]json.RawMessage{}
	for {
		var document map[string]any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if _, is := document["platforms"]; is {
			answer["platform_spec"] = served(document, kind("PlatformSpec"))
		} else {
			answer["pipeline_spec"] = served(document, kind("PipelineSpec"))
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, must(json.Marshal(answer)), "", " "); err != nil {
		log.Fatal(err)
	}
	fmt.Println(indented.String())
}
