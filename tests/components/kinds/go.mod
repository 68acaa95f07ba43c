module kops-recovery.invalid/components/kinds

go 1.24.0
