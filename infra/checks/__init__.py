"""What `make doctor` looks at: each check answers with one finding, and none of them raises."""
