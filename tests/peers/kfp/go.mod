module countersign.example/kfp

go 1.26.0

require (
	google.golang.org/protobuf v1.36.10
	gopkg.in/yaml.v3 v3.0.1
	sigs.k8s.io/yaml v1.6.0
)

require go.yaml.in/yaml/v2 v2.4.2 // indirect
